package store

import (
	"fmt"
	"strconv"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// load reads the file, checks it if need be, and marks it as in use.
func (s *Store) load() error {
	boot, isNew := bootID(), false
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		if isNew, err = checkFormat(tx); err != nil || isNew {
			return err
		}
		if err := s.read(tx, boot); err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	prepare := func(*bbolt.Tx) error { return nil }
	switch {
	case isNew:
		s.startRevisions(0)
		prepare = makeBuckets
	case s.state.mayBeDamaged(boot):
		s.startRevisions(max(s.state.Head, s.state.HeadCeiling))
		prepare = clearLog
	}
	return s.markOpen(boot, prepare)
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
	if found > format {
		return false, fmt.Errorf("%w: format %d, this one knows up to %d", errNewer, found, format)
	}
	return false, nil
}

// read takes state, settings and Metas into memory.
func (s *Store) read(tx *bbolt.Tx, boot string) error {
	if err := s.checkSize(tx); err != nil {
		return err
	}
	if err := s.state.load(tx); err != nil {
		return err
	}
	if s.state.mayBeDamaged(boot) {
		s.log.Warn("store was not closed before the machine went down and is kept without sync: checking the file", "file", s.path)
		if err := checkPages(tx); err != nil {
			return err
		}
	}
	s.logged = tx.Bucket(logBucket).Stats().KeyN
	return s.readIndex(tx)
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
	start := max(floor, resource.Revision(s.clock().UnixMicro()))
	s.state.Head, s.state.Visible, s.state.Floor = start, start, start
	s.logged = 0
}

func clearLog(tx *bbolt.Tx) error {
	if err := tx.DeleteBucket(logBucket); err != nil {
		return fmt.Errorf("clear history: %w", err)
	}
	if _, err := tx.CreateBucket(logBucket); err != nil {
		return fmt.Errorf("clear history: %w", err)
	}
	return nil
}

// markOpen writes, with a sync, that the store is in use.
func (s *Store) markOpen(boot string, prepare func(*bbolt.Tx) error) error {
	st := &s.state
	s.sequence.restore(st.SequenceCeiling)
	s.visible.Store(uint64(st.Visible))
	st.Sync, st.Clean, st.Boot = s.sync, false, boot
	st.HeadCeiling = s.reserveHead(0, st.Head)
	err := s.syncNow(func(tx *bbolt.Tx) error {
		if err := prepare(tx); err != nil {
			return err
		}
		return st.save(tx)
	})
	s.settled.advance(s.lastTx())
	return err
}

// markClosed writes, with a sync, that nothing was lost, and gives back what
// was reserved. The committer must have ended.
func (s *Store) markClosed() error {
	s.state.Clean = true
	s.state.SequenceCeiling = s.sequence.giveBack()
	return guard(func() error { return s.syncNow(s.state.save) })
}

// syncNow commits with a sync, whatever the option says.
func (s *Store) syncNow(fn func(*bbolt.Tx) error) error {
	s.db.NoSync = false
	defer func() { s.db.NoSync = !s.sync }()
	return s.db.Update(fn)
}
