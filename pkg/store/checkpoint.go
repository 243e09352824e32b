package store

import (
	"errors"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// When the journal goes into the file: when it has so many bytes or records,
// when nothing was written for a while, and when the first of it is that old.
const (
	checkpointBytes   = 1 << 20
	checkpointRecords = 1024
	checkpointIdle    = time.Second
	checkpointAge     = 5 * time.Second

	// partRecords is how many records go into the file at once.
	partRecords = 256

	// maxJournal is where commits wait for the checkpoint, or fail if it does.
	maxJournal = 4 * checkpointBytes
)

// checkpoints is the state of the checkpointer.
type checkpoints struct {
	commit func(*bbolt.Tx) error // bbolt's Commit; tests put faults in its place

	kick  chan struct{} // holds one when there is something to look at
	stop  chan struct{}
	ended chan struct{}

	mu       sync.Mutex // held during a checkpoint
	err      error      // of the last
	failedAt time.Time
	saved    state // in the file
}

func (c *checkpoints) init() {
	c.commit = (*bbolt.Tx).Commit
	c.kick, c.stop, c.ended = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
}

func (c *checkpoints) wake() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// runCheckpoints is the checkpointer. It sleeps while all is in the file.
func (s *Store) runCheckpoints() {
	c := &s.checkpoints
	defer close(c.ended)
	var timer <-chan time.Time
	for {
		select {
		case <-c.stop:
			return
		case <-c.kick:
		case <-timer:
		}
		timer = after(s.checkpointIfDue())
	}
}

// checkpointIfDue returns when to look again; 0 = not before a kick.
func (s *Store) checkpointIfDue() time.Duration {
	for {
		if delay := s.untilCheckpoint(); delay != 0 {
			return max(delay, 0)
		}
		if err := s.checkpointOr(probeAfter); err != nil {
			return probeAfter
		}
	}
}

// untilCheckpoint is how long to wait; 0 = it is due, negative = there is
// nothing to do.
func (s *Store) untilCheckpoint() time.Duration {
	m := &s.memory
	m.mu.RLock()
	defer m.mu.RUnlock()
	switch g := m.newer; {
	case m.older != nil, g.large():
		return 0
	case g.segment.empty():
		return -1
	default:
		return max(0, min(time.Until(g.last.Add(checkpointIdle)), time.Until(g.first.Add(checkpointAge))))
	}
}

func (g *generation) large() bool {
	return g.segment.size >= checkpointBytes || len(g.records) >= checkpointRecords
}

// room holds a commit up while the journal is as long as it may be. If it cannot
// go into the file, the commit fails.
func (s *Store) room() error {
	for s.memory.size() >= maxJournal {
		if err := s.checkpointOr(probeAfter); err != nil {
			return err
		}
	}
	return nil
}

// checkpointOr is checkpoint, but returns the error of one that has just failed.
func (s *Store) checkpointOr(pause time.Duration) error {
	c := &s.checkpoints
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil && time.Since(c.failedAt) < pause {
		return c.err
	}
	return s.checkpointLocked()
}

// checkpoint writes what is in the journal into the file, and removes it from
// the journal. Commits go on meanwhile.
func (s *Store) checkpoint() error {
	s.checkpoints.mu.Lock()
	defer s.checkpoints.mu.Unlock()
	return s.checkpointLocked()
}

func (s *Store) checkpointLocked() error {
	if err := s.brokenBy(); err != nil {
		return err
	}
	c, before := &s.checkpoints, s.checkpoints.err
	if c.err = s.moveOn(); c.err == nil && s.memory.older != nil {
		c.err = s.flush(s.memory.older)
	}
	switch {
	case c.err != nil:
		c.failedAt = time.Now()
		if before == nil {
			s.log.Error("store cannot move its journal into the file", "file", s.path, "error", c.err)
		}
	case before != nil:
		s.log.Info("store has moved its journal into the file again", "file", s.path)
	}
	return c.err
}

// moveOn begins a new segment, so that the one before can go into the file,
// unless there is one already that has to.
func (s *Store) moveOn() error {
	m := &s.memory
	if m.older != nil || s.idle() {
		return nil
	}
	before := m.newer.segment
	segment, err := createSegment(filepath.Dir(s.path), before.number+1, before.identity)
	if err != nil {
		return s.writeError(err)
	}
	m.turn.Lock()
	defer m.turn.Unlock()
	// A commit that was not confirmed is in the segment, but not counted.
	if err := s.brokenBy(); err != nil {
		segment.remove()
		return err
	}
	segment.frame = before.frame
	m.mu.Lock()
	defer m.mu.Unlock()
	m.older, m.newer = m.newer, newGeneration(segment, m.state)
	return nil
}

// idle tells whether there is nothing in the journal.
func (s *Store) idle() bool {
	s.memory.turn.Lock()
	defer s.memory.turn.Unlock()
	return s.memory.newer.segment.empty()
}

// flush writes older into the file and forgets it.
func (s *Store) flush(g *generation) error {
	if err := s.writeFile(g); err != nil {
		return err
	}
	m := &s.memory
	m.turn.Lock()
	m.mu.Lock()
	m.older, m.base = nil, g.state.Visible
	m.mu.Unlock()
	m.turn.Unlock()
	g.segment.remove()
	s.touched(residentRecords)
	return nil
}

// finish brings the file up to date for good and writes that nothing was lost,
// and gives back what was reserved. Committer and checkpointer must have ended.
func (s *Store) finish() error {
	if s.memory.older != nil {
		if err := s.flush(s.memory.older); err != nil {
			return err
		}
	}
	g := s.memory.newer
	g.state.Clean = true
	g.state.SequenceCeiling = s.sequence.giveBack()
	if err := s.writeFile(g); err != nil {
		_ = g.segment.file.Close()
		return err
	}
	g.segment.remove()
	return nil
}

// writeFile writes a generation into the file, with a sync always. Its records
// go in parts, so that a large one does not need much memory; a part alone is no
// harm, since the segment counts as long as the last part is not written: so the
// segment must be durable before.
func (s *Store) writeFile(g *generation) error {
	records := ordered(g.records)
	if !s.sync && len(records) > partRecords {
		if err := datasync(g.segment.file); err != nil {
			return s.distrust(err)
		}
	}
	for ; len(records) > partRecords; records = records[partRecords:] {
		err := s.transact(func(tx *bbolt.Tx) error {
			w := writer{tx: tx}
			return w.writeRecords(records[:partRecords])
		})
		if err != nil {
			return err
		}
		s.touched(partRecords)
	}
	next := g.state
	next.Segment, next.Frame = g.segment.number+1, g.segment.frame
	err := s.transact(func(tx *bbolt.Tx) error {
		w := writer{tx: tx, state: next}
		if err := w.writeRecords(records); err != nil {
			return err
		}
		return w.writeRest(&g.contents)
	})
	if err == nil {
		s.checkpoints.saved = next
	}
	return err
}

// transact runs one transaction of the file.
func (s *Store) transact(fn func(*bbolt.Tx) error) error {
	if err := s.brokenBy(); err != nil {
		return err
	}
	id := 0
	err := guard(func() error {
		tx, err := s.db.Begin(true)
		if err != nil {
			return err
		}
		defer tx.Rollback() // does nothing after a commit
		id = tx.ID()
		if err := fn(tx); err != nil {
			return err
		}
		return s.checkpoints.commit(tx)
	})
	if err == nil {
		return nil
	}
	if errors.Is(err, errUnreadable) || (id != 0 && s.lastTx() >= id) {
		// It failed after its last write, so that the file shows it, or in a
		// panic, and nobody knows where that left the file.
		return s.distrust(err)
	}
	return s.writeError(err)
}

// lastTx is the transaction that a reader would see; 0 if there are no readers
// any more.
func (s *Store) lastTx() (id int) {
	tx, err := s.begin()
	if err != nil {
		return 0
	}
	defer tx.Rollback()
	return tx.ID()
}
