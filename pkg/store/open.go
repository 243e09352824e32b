package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

const (
	fileName    = "sidecar.db"
	lockTimeout = time.Second

	// pageSize is the same on all machines: those with larger pages of memory
	// would write them whole for every small change.
	pageSize = 4096
	// growStep is by how much the file grows when it is full; its end is a hole.
	growStep = 2 << 20
)

// mmapSize is address space, not memory. A file that outgrows it makes the
// committer wait for all readers, cursors too. Only tests change it.
var mmapSize = 1 << 30

func filePath(dir string) string { return filepath.Join(dir, fileName) }

// open finds or makes the file and reads it into memory.
func (s *Store) open() error {
	dir := filepath.Dir(s.path)
	if err := makeDir(dir); err != nil {
		return fmt.Errorf("make state folder %s: %w; choose a state.dir that can be written", dir, err)
	}
	if err := makeFile(s.path); err != nil {
		return s.explain(err)
	}
	if err := guard(s.openFile); err != nil {
		return s.explain(err)
	}
	if err := guard(s.load); err != nil {
		s.abandon(err)
		return s.explain(err)
	}
	s.letGo()
	return nil
}

// abandon closes the file after a failure, unless bbolt panicked: then nobody
// knows which locks it holds, and a Close could wait for ever.
func (s *Store) abandon(err error) {
	if s.memory.newer != nil {
		for _, g := range s.memory.generations() {
			_ = g.segment.file.Close()
		}
	}
	if !errors.Is(err, errUnreadable) {
		_ = s.db.Close()
	}
}

// makeDir makes the folder if it is missing, and those above it. Their names
// are durable when it returns: a power cut would take all that is in them.
func makeDir(dir string) error {
	_, err := os.Stat(dir)
	missing, parent := errors.Is(err, fs.ErrNotExist), filepath.Dir(dir)
	if missing && parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil || !missing {
		return err
	}
	return syncDir(parent)
}

func (s *Store) openFile() (err error) {
	var file *os.File
	s.db, err = bbolt.Open(s.path, 0o600, &bbolt.Options{
		OpenFile: func(name string, flag int, mode fs.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
		Timeout:         lockTimeout,
		InitialMmapSize: mmapSize,
		PageSize:        pageSize,
		NoStatistics:    true,
	})
	if isAny(err, bbolterrors.ErrInvalid, bbolterrors.ErrVersionMismatch, bbolterrors.ErrChecksum) {
		return fmt.Errorf("%w: %w", errForeign, err)
	}
	if err != nil {
		return err
	}
	s.db.AllocSize = growStep
	if !isStill(file, s.path) {
		return errors.Join(errReplaced, s.db.Close())
	}
	return nil
}

// makeFile makes the file of a new store under another name first: what a start
// leaves that is killed in the midst of it, or finds the disk full, would pass
// for a damaged store. An empty file holds its place, and the lock, meanwhile.
func makeFile(path string) error {
	place, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer place.Close()
	if err := unix.Flock(int(place.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil // somebody has it: openFile waits, or says so
	}
	if info, err := place.Stat(); err != nil || info.Size() > 0 || !isStill(place, path) {
		return err
	}
	fresh := path + ".new"
	_ = os.Remove(fresh)
	defer os.Remove(fresh) // not there any more if all went well
	db, err := bbolt.Open(fresh, 0o600, &bbolt.Options{PageSize: pageSize})
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// isStill tells whether the open file has that name yet: a restore may have put
// another in its place while the lock was waited for.
func isStill(file *os.File, path string) bool {
	was, err := file.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(path)
	return err == nil && os.SameFile(was, now)
}

// syncDir makes the names in a folder durable, where that can be asked for: some
// file systems have no such thing, and who may write to a folder may perhaps not
// read it.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err == nil {
		defer f.Close()
		err = syncFolder(f)
	}
	if isAny(err, errors.ErrUnsupported, syscall.EINVAL, fs.ErrPermission) {
		return nil
	}
	return err
}

// syncFolder is put aside by tests only.
var syncFolder = (*os.File).Sync
