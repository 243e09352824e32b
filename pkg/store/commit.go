package store

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Limits of one commit: so many updates, or the update that passes so many
// bytes, are its last.
const (
	maxUpdates = 1024
	maxBytes   = 4 << 20
)

// probeAfter is how soon a store that cannot write tries again when nobody
// asks it to.
const probeAfter = 2 * time.Second

// run is the committer.
func (s *Store) run() {
	defer close(s.ended)
	for s.jobs.wait(s.patience()) {
		s.commit()
	}
}

func (s *Store) patience() time.Duration {
	if s.Err() == nil {
		return 0
	}
	return probeAfter
}

// commit runs what waits, writes it, and answers.
func (s *Store) commit() {
	b := &batch{s: s, over: newOverlay(s.state.Head, s.state.Visible)}
	for len(b.answers) < maxUpdates && b.over.size < maxBytes {
		j := s.jobs.pop()
		if j == nil {
			break
		}
		b.answers = append(b.answers, answer{done: j.done, err: b.run(j.fn)})
	}
	b.closeReader()
	err := s.write(b)
	s.report(err)
	for _, a := range b.answers {
		// What an update has seen of the others in a commit that failed never
		// came to be, so neither did its own judgement.
		a.done(cmp.Or(err, a.err))
	}
}

// write puts a batch on disk and then into memory. An error has changed
// nothing.
func (s *Store) write(b *batch) error {
	if s.broken != nil {
		return s.broken
	}
	if b.over.empty(s.state.Head) && s.Err() == nil {
		return nil
	}
	done, err := s.writeDisk(b)
	if err != nil {
		return err
	}
	s.state, s.logged = done.state, done.logged
	s.sequence.raise(done.state.SequenceCeiling)
	s.index.merge(b.over.changes, b.over.settings)
	s.settled.advance(done.id)
	s.announce(b)
	s.touched(len(b.over.records))
	return nil
}

// announce tells observers and watchers.
func (s *Store) announce(b *batch) {
	s.visible.Store(uint64(b.over.visible))
	if len(b.over.changes) > 0 {
		for _, observer := range s.observers {
			observer(b.over.changes)
		}
	}
	if len(b.over.lines) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

// report keeps the outcome for Err and logs when it turns.
func (s *Store) report(err error) {
	s.mu.Lock()
	before := s.err
	s.err = err
	s.mu.Unlock()
	switch {
	case err != nil && before == nil:
		s.log.Error("store cannot write", "file", s.path, "error", err)
	case err == nil && before != nil:
		s.log.Info("store can write again", "file", s.path)
	}
}

// written is what a transaction has left on disk.
type written struct {
	id     int // of the transaction
	state  state
	logged int
}

// writeDisk is the transaction.
func (s *Store) writeDisk(b *batch) (done written, err error) {
	done = written{state: s.nextState(b)}
	err = guard(func() error {
		tx, err := s.db.Begin(true)
		if err != nil {
			return err
		}
		defer tx.Rollback() // does nothing after a commit
		done.id = tx.ID()
		w := writer{tx: tx, logged: s.logged, history: s.history, state: &done.state}
		if err := w.write(&b.over); err != nil {
			return err
		}
		done.logged = w.logged
		s.db.NoSync = !s.sync && !s.reserves(done.state)
		return s.commitTx(tx)
	})
	if err != nil {
		s.distrust(done.id, err)
		return done, s.writeError(err)
	}
	return done, nil
}

// nextState is the state after the batch, with what it reserves on the way.
func (s *Store) nextState(b *batch) state {
	next := s.state
	next.Head, next.Visible = b.over.head, b.over.visible
	next.HeadCeiling = s.reserveHead(next.HeadCeiling, next.Head)
	next.SequenceCeiling = s.sequence.reserve(s.clock(), b.over.reserve)
	return next
}

// reserves tells whether the batch reserves numbers, which needs a sync always:
// they are there for the power cut.
func (s *Store) reserves(next state) bool {
	return next.HeadCeiling != s.state.HeadCeiling || next.SequenceCeiling != s.state.SequenceCeiling
}

// headReserve is how many revisions a store without sync reserves at a time.
const headReserve = 1 << 20

func (s *Store) reserveHead(ceiling, head resource.Revision) resource.Revision {
	if s.sync {
		return 0
	}
	if head+headReserve/2 < ceiling {
		return ceiling
	}
	return head + headReserve
}

// distrust gives the store up if a commit failed after its last write, so that
// the file shows it: memory and file differ, and no later commit may build on
// what a sync did not confirm. It does the same if bbolt panicked, since nobody
// knows where that left it.
func (s *Store) distrust(id int, err error) {
	if !errors.Is(err, errUnreadable) && (id == 0 || s.lastTx() < id) {
		return
	}
	s.broken = fmt.Errorf("write store %s: the disk did not confirm a commit; start the sidecar again: %w", s.path, err)
	s.settled.fail(s.broken)
}

// lastTx is the transaction that a reader would see; 0 if there are no readers
// any more.
func (s *Store) lastTx() (id int) {
	_ = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			id = tx.ID()
			return nil
		})
	})
	return id
}

// writeError is what the writers of a failed commit are told.
func (s *Store) writeError(err error) error {
	if s.broken != nil {
		return s.broken
	}
	if isDiskFull(err) {
		return diskFullError(s.path, err)
	}
	return fmt.Errorf("write store %s: %w", s.path, err)
}
