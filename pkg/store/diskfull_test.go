//go:build unix

package store_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

func TestAFullDiskChangesNothingAndHeals(t *testing.T) {
	for _, sync := range []bool{true, false} {
		t.Run(fmt.Sprint("sync ", sync), func(t *testing.T) {
			t.Parallel()
			out, err := childCommand(t, "disk full", t.TempDir(), sync).CombinedOutput()
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// Commits go on while the journal has room, and are refused when it has not. (A
// further one may be taken: a checkpoint may yet find free pages in the file.)
func TestAFileThatCannotGrowHoldsTheJournalUp(t *testing.T) {
	t.Parallel()
	out, err := childCommand(t, "file full", t.TempDir(), false).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// fillFile is the child: files may have so many bytes that those of the journal
// fit, but the other does not.
func fillFile(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := putBig(s, "before", 1); err != nil {
		return fmt.Errorf("with space: %w", err)
	}
	for i := 0; s.Bytes() < 12<<20; i++ {
		if err := errors.Join(putBig(s, fmt.Sprint("fill-", i), 1), s.Checkpoint()); err != nil {
			return err
		}
	}
	unlimited, err := limitFiles(uint64(s.Bytes()) - 1<<20)
	if err != nil {
		return err
	}
	written, err := writeUntilFull(s, dir)
	if err != nil {
		return err
	}
	if journal := int64(written) * int64(len(bigSpec(1))); journal < 3<<20 || journal > 8<<20 { // what the file has free pages for goes there
		return fmt.Errorf("%d bytes were taken", journal)
	}
	if _, err := s.List(store.ListOptions{Limit: 1}); err != nil {
		return fmt.Errorf("list on a full disk: %w", err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &unlimited); err != nil {
		return err
	}
	if err := healed(s); err != nil {
		return err
	}
	return errors.Join(putBig(s, "after", 1), verifyBig(s, written), s.Check(), s.Close())
}

// fillDisk is the child: it may not let files grow, as if the disk were full.
func fillDisk(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	s, err := store.Open(store.Options{Dir: dir, Sync: os.Getenv(childSync) == "true"})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := putBig(s, "before", 1); err != nil {
		return fmt.Errorf("with space: %w", err)
	}
	unlimited, err := limitFiles(uint64(s.Bytes()) + 64<<10)
	if err != nil {
		return err
	}
	written, err := writeUntilFull(s, dir)
	if err := cmp.Or(err, refusedAgain(s, written)); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &unlimited); err != nil {
		return err
	}
	if err := healed(s); err != nil {
		return err
	}
	return errors.Join(putBig(s, "after", 1), verifyBig(s, written), s.Check())
}

// limitFiles bounds the size of files and returns the limit before.
func limitFiles(size uint64) (before syscall.Rlimit, err error) {
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return before, err
	}
	limit := before
	limit.Cur = size
	return before, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}

// writeUntilFull returns what was answered before the disk was full.
func writeUntilFull(s *store.Store, dir string) (written int, err error) {
	for written < 100 && err == nil {
		if err = putBig(s, fmt.Sprint("big-", written), 1); err == nil {
			written++
		}
	}
	switch {
	case err == nil:
		return 0, errors.New("the disk was never full")
	case resource.CodeOf(err) != resource.DiskFull:
		return 0, fmt.Errorf("not a full disk: %w", err)
	case !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "free space"):
		return 0, fmt.Errorf("the error does not name %s and what to do: %w", dir, err)
	case !errors.Is(s.Err(), err):
		return 0, fmt.Errorf("Err is %v, want %w", s.Err(), err)
	}
	return written, verifyBig(s, written)
}

// refusedAgain tries on: attempts that fail may not do harm either.
func refusedAgain(s *store.Store, written int) error {
	for range 3 {
		if err := putTooBig(s); resource.CodeOf(err) != resource.DiskFull {
			return fmt.Errorf("a further attempt was answered with %v", err)
		}
	}
	return verifyBig(s, written)
}

func verifyBig(s *store.Store, written int) error {
	ids := []string{"before"}
	for i := range written {
		ids = append(ids, fmt.Sprint("big-", i))
	}
	for _, id := range ids {
		r, err := s.Get(key(id))
		if err != nil {
			return err
		}
		if r.Version != 1 || string(r.Spec) != bigSpec(1) || s.Meta(key(id)).Version != 1 {
			return fmt.Errorf("%s has changed", id)
		}
	}
	if s.Meta(key(fmt.Sprint("big-", written))) != nil || s.Meta(key("refused")) != nil {
		return errors.New("what was refused is there")
	}
	return nil
}

// healed waits until the store has found out by itself that there is space.
func healed(s *store.Store) error {
	for end := time.Now().Add(10 * time.Second); s.Err() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("with space again: %w", s.Err())
		}
	}
	return nil
}

// putTooBig needs more space than the file can have kept in reserve.
func putTooBig(s *store.Store) error {
	return s.Update(context.Background(), func(tx *store.Tx) error {
		putTx(tx, key("before"), 2, strings.Repeat("x", 4<<20))
		putTx(tx, key("refused"), 1, "x")
		return nil
	})
}

func bigSpec(version int64) string { return strings.Repeat(fmt.Sprint("spec ", version), 50_000) }

func putBig(s *store.Store, id string, version int64) error {
	return s.Update(context.Background(), func(tx *store.Tx) error {
		putTx(tx, key(id), version, bigSpec(version))
		return nil
	})
}
