package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/pillion-dev/pillion/pkg/resource"
)

const (
	fileName    = "sidecar.db"
	lockTimeout = time.Second

	// mmapSize is address space, not memory. A file that outgrows it makes the
	// committer wait for all readers, cursors too.
	mmapSize = 1 << 30
	// growStep is by how much the file grows when it is full; its end is a hole.
	growStep = 2 << 20
)

func filePath(dir string) string { return filepath.Join(dir, fileName) }

// open finds or makes the file and reads it into memory.
func (s *Store) open() error {
	made, err := s.makeDir()
	if err != nil {
		return err
	}
	if err := guard(s.openFile); err != nil {
		return s.explain(err)
	}
	if err := guard(s.load); err != nil {
		s.db.Close()
		return s.explain(err)
	}
	s.letGo()
	if made {
		// Without this a power cut could take the file itself.
		syncDir(filepath.Dir(s.path))
	}
	return nil
}

// makeDir makes the folder if it is missing, and tells whether the file is.
func (s *Store) makeDir() (missing bool, err error) {
	dir := filepath.Dir(s.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, fmt.Errorf("make state folder %s: %w; choose a state.dir that can be written", dir, err)
	}
	_, err = os.Stat(s.path)
	return errors.Is(err, fs.ErrNotExist), nil
}

func (s *Store) openFile() (err error) {
	s.db, err = bbolt.Open(s.path, 0o600, &bbolt.Options{
		Timeout:         lockTimeout,
		NoSync:          !s.sync,
		NoGrowSync:      !s.sync,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: mmapSize,
		NoStatistics:    true,
	})
	if err == nil {
		s.db.AllocSize = growStep
	}
	return err
}

// errForeign is a bbolt file that no sidecar made.
var errForeign = errors.New("not a store of the sidecar")

// explain says what to do about a file that does not open.
func (s *Store) explain(err error) error {
	advice := "it is damaged, and was left as it is; put a backup in its place, or move it away to begin anew"
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return fmt.Errorf("open store %s: another sidecar uses it; stop that one, or choose another state.dir", s.path)
	case errors.Is(err, fs.ErrPermission):
		advice = "make the folder and the file writable for this user (in a Pod: fsGroup)"
	case isDiskFull(err):
		advice = "free space on its disk"
	case errors.Is(err, errNewer):
		advice = "use that version, or put a backup in its place"
	case isAny(err, bbolterrors.ErrInvalid, bbolterrors.ErrVersionMismatch, bbolterrors.ErrChecksum, errForeign):
		advice = "it is not a store of the sidecar, and was left as it is; choose another state.dir, or move the file away"
	}
	return fmt.Errorf("open store %s: %w: %s", s.path, err, advice)
}

func isAny(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// guard turns a panic of bbolt about a damaged file, and a page that the disk
// cannot give, into an error.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errUnreadable, p)
		}
	}()
	return fn()
}

var errUnreadable = errors.New("unreadable file")

// syncDir is best effort: some file systems have no such thing.
func syncDir(dir string) {
	f, err := os.Open(dir)
	if err != nil {
		return
	}
	defer f.Close()
	_ = f.Sync()
}

// load reads the file, checks it if need be, and marks it as in use.
func (s *Store) load() error {
	boot, isNew := bootID(), false
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		if isNew, err = checkFormat(tx); err != nil || isNew {
			return err
		}
		return s.read(tx, boot)
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

var errNewer = errors.New("made by a newer sidecar")

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
	if err != nil {
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
	if s.broken != nil {
		return nil
	}
	s.state.Clean = true
	s.state.SequenceCeiling = s.sequence.giveBack()
	err := guard(func() error { return s.syncNow(s.state.save) })
	if err != nil {
		return fmt.Errorf("close store %s: %w", s.path, err)
	}
	return nil
}

// syncNow commits with a sync, whatever the option says.
func (s *Store) syncNow(fn func(*bbolt.Tx) error) error {
	s.db.NoSync = false
	defer func() { s.db.NoSync = !s.sync }()
	return s.db.Update(fn)
}
