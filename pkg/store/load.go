package store

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// load reads file and journal, brings the file up to date, and marks it as in
// use.
func (s *Store) load() error {
	st, isNew := &s.memory.state, false
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		if isNew, err = checkFormat(tx); err != nil || isNew {
			return err
		}
		if err := s.read(tx); err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if s.mine != nil && st.Owner != "" && !s.mine(st.Owner) {
		return fmt.Errorf("%w: it is that of %s, and this is %s", errOther, st.Owner, s.owner)
	}
	boot := bootID()
	lossy := !isNew && st.mayHaveLost(boot)
	if lossy {
		s.log.Warn("store was not closed before the machine went down and is kept without sync: its last changes may be lost", "file", s.path)
	}
	r, err := s.replay(isNew, lossy)
	if err != nil {
		return err
	}
	if r.lost {
		s.forgetPast(r)
	}
	if isNew || lossy || r.lost {
		s.startRevisions(max(st.Head, st.HeadCeiling))
	}
	s.takeOver(boot, r)
	if isNew {
		if err := s.layOut(); err != nil {
			return err
		}
	}
	if err := s.beginJournal(r); err != nil {
		return err
	}
	if err := s.markOpen(r); err != nil {
		return err
	}
	s.removeReplayed(r)
	return nil
}

// checkFormat tells a new file from one that this version can read.
func checkFormat(tx *bbolt.Tx) (isNew bool, err error) {
	if name, _ := tx.Cursor().First(); name == nil {
		return true, nil
	}
	system := tx.Bucket(systemBucket)
	if system == nil {
		return false, errForeign
	}
	found, err := strconv.Atoi(string(system.Get(formatName)))
	if err != nil || found < 1 {
		return false, errForeign
	}
	switch {
	case found > format:
		return false, fmt.Errorf("%w: format %d, this one knows up to %d", errNewer, found, format)
	case found < format:
		return false, fmt.Errorf("%w: format %d, this one knows %d", errOlder, found, format)
	}
	return false, nil
}

// read takes state, settings and Metas into memory, and the numbers of the
// history.
func (s *Store) read(tx *bbolt.Tx) error {
	if err := s.checkSize(tx); err != nil {
		return err
	}
	if err := s.memory.state.load(tx); err != nil {
		return err
	}
	if err := s.readIndex(tx); err != nil {
		return err
	}
	return tx.Bucket(logBucket).ForEach(func(name, _ []byte) error {
		revision, err := decodeRevision(name)
		s.journal.past = append(s.journal.past, revision)
		return err
	})
}

func (s *Store) readIndex(tx *bbolt.Tx) error {
	err := tx.Bucket(metaBucket).ForEach(func(name, value []byte) error {
		key, err := decodeKey(name)
		if err != nil {
			return err
		}
		m, err := decodeMeta(s.index.intern(key), value)
		if err == nil {
			s.index.put(m)
		}
		return err
	})
	if err != nil {
		return err
	}
	return tx.Bucket(settingsBucket).ForEach(func(name, value []byte) error {
		s.index.set(string(name), append([]byte{}, value...))
		return nil
	})
}

// startRevisions begins the history anew, above everything up to floor and
// above the clock. A new store does it, and one whose end may have been lost:
// nobody's revision from that time means anything.
func (s *Store) startRevisions(floor resource.Revision) {
	start := max(floor, nowRevision(s.clock()))
	st := &s.memory.state
	st.Head, st.Visible, st.Floor = start, start, start
	s.journal.remember(nil, start)
}

// nowRevision is where a new store begins to number.
func nowRevision(now time.Time) resource.Revision { return resource.Revision(now.UnixMicro()) }

// takeOver makes the state that of a store in use.
func (s *Store) takeOver(boot string, r *replayed) {
	st := &s.memory.state
	s.sequence.restore(st.SequenceCeiling)
	s.visible.Store(uint64(st.Visible))
	st.Sync, st.Clean, st.Boot = s.sync, false, boot
	st.HeadCeiling = s.reserveHead(0, st.Head)
	st.Segment = r.next
	st.Identity = cmp.Or(st.Identity, randomNumber())
	st.Owner = cmp.Or(s.owner, st.Owner)
	s.memory.base = st.Visible
	s.checkpoints.saved = *st
}

// layOut makes the file of a new store, as one that was closed: it has no
// journal yet.
func (s *Store) layOut() error {
	closed := s.memory.state
	closed.Clean = true
	return s.db.Update(func(tx *bbolt.Tx) error {
		if err := makeBuckets(tx); err != nil {
			return err
		}
		return closed.save(tx)
	})
}

// beginJournal starts the first segment. It comes before markOpen, so that a
// file that was not closed always has a segment beside it: if not, somebody has
// taken it away.
func (s *Store) beginJournal(r *replayed) error {
	st := s.memory.state
	segment, err := createSegment(filepath.Dir(s.path), r.next, st.Identity)
	if err != nil {
		return err
	}
	segment.frame = st.Frame
	s.memory.newer = newGeneration(segment, st)
	return nil
}

// markOpen brings the file up to date with the journal, and writes that the
// store is in use.
func (s *Store) markOpen(r *replayed) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		if err := makePayloadBuckets(tx); err != nil {
			return err
		}
		w := writer{tx: tx, state: s.memory.state}
		return w.write(&r.contents)
	})
}

// removeReplayed removes the segments that are in the file now.
func (s *Store) removeReplayed(r *replayed) {
	for _, number := range r.numbers {
		_ = os.Remove(segmentPath(filepath.Dir(s.path), number))
	}
}
