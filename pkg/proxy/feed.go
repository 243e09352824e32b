package proxy

import (
	"sync"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// The bounds of the feed, and of what one watcher takes at a time: so many
// changes, or the change that passes so many bytes, are the last.
const (
	feedChanges  = 2000
	feedBytes    = 4 << 20
	batchChanges = 100
	batchBytes   = 16 << 10
)

// change is a visible change as watchers are told of it. It is shared: nobody
// changes it.
type change struct {
	revision resource.Revision
	kind     store.Kind
	key      resource.Key
	born     resource.Revision  // of what is shown
	shown    *resource.Resource // the state when it was read; nil if that was gone; of Deleted what it was
	size     int
}

// feed is the newest part of the history, read from the store once for all
// watchers: a thousand that wait for the same change cost one read, and share
// its memory. Who is behind it reads by himself.
type feed struct {
	*Proxy

	mu      sync.Mutex
	changes []*change         // without a gap, up to and including until
	since   resource.Revision // of what is before them
	until   resource.Revision
	bytes   int
}

func newFeed(p *Proxy) *feed {
	at := p.store.Revision()
	return &feed{Proxy: p, since: at, until: at}
}

// after is the next changes after a revision, oldest first; none if there are
// none. It is resource.Expired if the history does not reach back that far.
func (f *feed) after(cursor resource.Revision) ([]*change, error) {
	changes, ok, err := f.shared(cursor)
	if ok || err != nil {
		return changes, err
	}
	return f.read(cursor, batchChanges, batchBytes)
}

// shared is after, if the feed has it.
func (f *feed) shared(cursor resource.Revision) (changes []*change, ok bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.store.Revision()
	if cursor < f.since || cursor > now {
		return nil, false, nil // too far back, or of another store: the history says what there is
	}
	if now-f.until > feedChanges { // nobody has watched for a while
		f.restart(cursor)
	}
	for f.until <= cursor && f.until < now {
		if err := f.extend(); err != nil {
			f.restart(now)
			return nil, false, err
		}
	}
	return f.pick(cursor), cursor >= f.since, nil
}

func (f *feed) restart(at resource.Revision) {
	f.changes, f.bytes, f.since, f.until = nil, 0, at, at
}

// extend reads on. There is a change after until, since that is below the
// revision of the last one.
func (f *feed) extend() error {
	news, err := f.read(f.until, batchChanges, feedBytes/4)
	if err != nil {
		return err
	}
	if len(news) == 0 {
		return resource.Errorf(resource.Internal, "the history after revision %s is empty", f.until)
	}
	for _, c := range news {
		f.bytes += c.size
	}
	f.changes = append(f.changes, news...)
	f.until = news[len(news)-1].revision
	f.trim()
	return nil
}

func (f *feed) trim() {
	for len(f.changes) > feedChanges || f.bytes > feedBytes && len(f.changes) > 1 {
		oldest := f.changes[0]
		f.changes[0] = nil // the array lives on
		f.changes = f.changes[1:]
		f.bytes -= oldest.size
		f.since = oldest.revision
	}
}

// pick is the part of the feed that one watcher takes.
func (f *feed) pick(cursor resource.Revision) (picked []*change) {
	size := 0
	for _, c := range f.changes[f.search(cursor):] {
		if len(picked) == batchChanges || size >= batchBytes {
			break
		}
		picked = append(picked, c)
		size += c.size
	}
	return picked
}

// search is the index of the first change after a revision.
func (f *feed) search(cursor resource.Revision) int {
	low, high := 0, len(f.changes)
	for low < high {
		if middle := (low + high) / 2; f.changes[middle].revision > cursor {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

// read reads changes from the store, each with the newest state that there is.
func (f *feed) read(cursor resource.Revision, most, bytes int) (changes []*change, err error) {
	entries, err := f.store.Log(cursor, most)
	if err != nil {
		return nil, err
	}
	for size, i := 0, 0; i < len(entries) && size < bytes; i++ {
		c, err := f.change(entries[i])
		if err != nil {
			return nil, err
		}
		changes = append(changes, c)
		size += c.size
	}
	return changes, nil
}

func (f *feed) change(e store.LogEntry) (*change, error) {
	c := &change{revision: e.Revision, kind: e.Kind, key: e.Key}
	if e.Kind == store.Deleted {
		c.shown = lastView(e)
	} else {
		var err error
		if c.shown, c.born, err = f.shows.of(e.Key); err != nil {
			return nil, err
		}
	}
	if c.shown != nil {
		c.size = sizeOf(c.shown)
	}
	return c, nil
}
