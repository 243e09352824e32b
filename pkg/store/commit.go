package store

import (
	"cmp"
	"runtime/debug"
	"time"
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

// run is the committer of what no Update commits on its own goroutine. When it
// ends there is none any more: the last commit may be that of an Update.
func (s *Store) run() {
	defer close(s.ended)
	for s.jobs.wait(s.patience) {
		s.committing <- struct{}{}
		s.commit()
		<-s.committing
	}
	s.committing <- struct{}{}
}

// commitOrWake makes the goroutine of an Update the committer if nobody is: to
// hand a single update to another one costs more than its commit without a sync.
// What comes meanwhile is left to run, for one commit.
func (s *Store) commitOrWake() {
	select {
	case s.committing <- struct{}{}:
		if s.jobs.hurries() {
			s.commitHere()
		}
		<-s.committing
	default:
	}
	if s.jobs.waits() || s.Err() != nil {
		s.jobs.signal()
	}
}

// commitHere is commit on the goroutine of an Update. Whoever has called that may
// recover from panics, as net/http does; but after one of an observer nobody
// knows who was told what, and no commit would follow. So it ends the process,
// as it does on the store's own goroutine: the next start has all of it.
func (s *Store) commitHere() {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("an observer of the store panicked", "stack", string(debug.Stack()))
			go panic(p) // where nobody recovers
			select {}
		}
	}()
	s.commit()
}

func (s *Store) patience() time.Duration {
	if s.Err() == nil {
		return 0
	}
	return probeAfter
}

// commit runs what waits, writes it, and answers.
func (s *Store) commit() {
	b := &batch{s: s, over: newOverlay(s.memory.state.Head, s.memory.state.Visible)}
	for len(b.answers) < maxUpdates && b.over.size < maxBytes {
		j := s.jobs.pop()
		if j == nil {
			break
		}
		b.answers = append(b.answers, answer{done: j.done, err: b.run(j.fn)})
	}
	b.view.close()
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
	if err := s.brokenBy(); err != nil {
		return err
	}
	if b.over.empty(s.memory.state.Head) && s.Err() == nil {
		return nil
	}
	if err := s.room(); err != nil {
		return err
	}
	if err := s.append(b); err != nil {
		return err
	}
	s.announce(b)
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
