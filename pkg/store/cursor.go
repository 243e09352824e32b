package store

import (
	"crypto/rand"
	"sync"
	"time"
)

// Limits of open lists: each holds a transaction, whose pages the file cannot
// use again meanwhile, and payloads of the journal.
const (
	maxCursors  = 16
	cursorIdle  = 30 * time.Second
	maxLifetime = 2 * time.Minute
)

// cursor is a list with more pages to come.
type cursor struct {
	id    string
	of    ListOptions // of its first page
	born  time.Time
	lapse *time.Timer
	done  bool // its last page was read

	mu       sync.Mutex
	snapshot *snapshot // nil: ended
}

// cursors are those that are open. Each ends by its own timer, or when a newer
// one needs its place.
type cursors struct {
	mu     sync.Mutex
	open   map[string]*cursor
	closed bool
}

func (cs *cursors) init() { cs.open = make(map[string]*cursor) }

// add opens a cursor, which owns the snapshot from then on unless there is an
// error.
func (cs *cursors) add(snap *snapshot, of ListOptions) (id string, err error) {
	c := &cursor{id: rand.Text(), of: of, born: time.Now(), snapshot: snap}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.closed {
		return "", errClosed()
	}
	if len(cs.open) >= maxCursors {
		cs.drop(cs.oldest())
	}
	c.lapse = time.AfterFunc(cursorIdle, func() { cs.expire(c) })
	cs.open[c.id] = c
	return c.id, nil
}

// oldest is the one to go: one that was read to its end, if there is any.
func (cs *cursors) oldest() (oldest *cursor) {
	for _, c := range cs.open {
		switch {
		case oldest == nil,
			c.done && !oldest.done,
			c.done == oldest.done && c.born.Before(oldest.born):
			oldest = c
		}
	}
	return oldest
}

// use finds a cursor and lets it live on.
func (cs *cursors) use(id string) (*cursor, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.open[id]
	if c == nil {
		return nil, errLapsed()
	}
	c.lapse.Reset(min(cursorIdle, maxLifetime-time.Since(c.born)))
	return c, nil
}

func (cs *cursors) finished(c *cursor) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c.done = true
}

func (cs *cursors) expire(c *cursor) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.drop(c)
}

// drop ends a cursor. A page that is being read is waited for.
func (cs *cursors) drop(c *cursor) {
	delete(cs.open, c.id)
	c.lapse.Stop()
	c.end()
}

// close ends all and refuses further ones.
func (cs *cursors) close() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.closed = true
	for _, c := range cs.open {
		cs.drop(c)
	}
}

func (c *cursor) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.snapshot != nil {
		c.snapshot.close()
		c.snapshot = nil
	}
}

func (c *cursor) page(from []byte, limit int) (*Page, []byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.snapshot == nil {
		return nil, nil, errLapsed()
	}
	return c.snapshot.page(from, limit)
}
