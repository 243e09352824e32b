package store

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"

	bbolterrors "go.etcd.io/bbolt/errors"
)

// Why a file is of no use.
var (
	errForeign    = errors.New("not a store of the sidecar, or its first pages are damaged")
	errNewer      = errors.New("made by a newer sidecar")
	errOlder      = errors.New("made before the first release")
	errDamaged    = errors.New("damaged")
	errStray      = errors.New("there is a journal of another file beside it")
	errUnreadable = errors.New("damaged or unreadable")
	errOther      = errors.New("the store of another sidecar")
	errNoBackup   = errors.New("not a backup, or not all of one: 'sidecar backup' makes them")
	errReplaced   = errors.New("the file was replaced meanwhile: start again")
)

// explain names the file and says what to do about it.
func (s *Store) explain(err error) error {
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return fmt.Errorf("open store %s: another sidecar uses it; stop that one, or choose another state.dir", s.path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("open store %s: %w; make the folder and the file writable for this user (in a Pod: fsGroup)", s.path, err)
	case isDiskFull(err):
		return fmt.Errorf("open store %s: %w; free space on its disk", s.path, err)
	case errors.Is(err, errNewer):
		return fmt.Errorf("open store %s: %w; run that version, or put a backup in its place", s.path, err)
	case errors.Is(err, errOlder):
		return fmt.Errorf("open store %s: %w; move it away to begin anew: the other side sends again what it knows", s.path, err)
	case errors.Is(err, errStray):
		return fmt.Errorf("open store %s: %w; put the file back that it belongs to, or move the journal away: all was left as it is", s.path, err)
	case isAny(err, errForeign, errOther):
		return fmt.Errorf("open store %s: %w; choose another state.dir, or move the file away: it was left as it is", s.path, err)
	case isAny(err, errDamaged, errUnreadable):
		return fmt.Errorf("open store %s: %w; put a backup in its place, or move it away to begin anew, its journal (%s*) too: all was left as it is", s.path, err, segmentPrefix)
	}
	return fmt.Errorf("open store %s: %w", s.path, err)
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
			err = fmt.Errorf("%w: %s", errUnreadable, panicText(p))
		}
	}()
	return fn()
}

func panicText(p any) string {
	if _, fault := p.(interface{ Addr() uintptr }); fault {
		return "a page is missing from the file or its disk"
	}
	return fmt.Sprint(p)
}
