package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// failing puts write in the place of the next writes of commits, until the test
// ends.
func failing(t *testing.T, s *store.Store, write func(do func() error) error) {
	t.Helper()
	update(t, s, func(*store.Tx) { s.SetWrite(write) })
	t.Cleanup(func() { failingEnds(s) })
}

// failingEnds lets commits through again.
func failingEnds(s *store.Store) {
	_ = s.Update(context.Background(), func(*store.Tx) error {
		s.SetWrite(through)
		s.SetSync(through)
		return nil
	})
}

func through(do func() error) error { return do() }

func TestAFailedCommitChangesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, key("a"), 1, "one")
	revision, changed := s.Revision(), s.Changed()
	s.OnCommit(func([]store.Change) { t.Error("observers were told") })
	failing(t, s, func(func() error) error { return errOfTest })

	errs := together(t, s,
		func(tx *store.Tx) error { putTx(tx, key("a"), 2, "two"); return nil },
		func(tx *store.Tx) error { bury(tx, key("a")); return nil },
		func(tx *store.Tx) error {
			if tx.Meta(key("a")).Visible() {
				t.Error("it does not see the update before it")
			}
			return resource.Errorf(resource.NotFound, "judged by what never came to be")
		},
	)
	for i, err := range errs {
		if !errors.Is(err, errOfTest) {
			t.Errorf("update %d: got %v, want the error of the commit", i, err)
		}
	}
	if !errors.Is(s.Err(), errOfTest) {
		t.Errorf("Err is %v", s.Err())
	}
	select {
	case <-s.Broken():
		t.Error("the store is broken, though nothing was written")
	default:
	}
	if s.Revision() != revision || s.Meta(key("a")).Version != 1 || spec(t, s, key("a")) != "one" {
		t.Errorf("something changed: %d, %+v", s.Revision(), s.Meta(key("a")))
	}
	select {
	case <-changed:
		t.Error("watchers were told")
	default:
	}
}

func TestAStoreThatCannotWriteTriesAgainByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir())
		attempts := 0
		failing(t, s, func(do func() error) error {
			if attempts++; attempts < 3 {
				return errOfTest
			}
			return do()
		})
		err := s.Update(t.Context(), func(tx *store.Tx) error { putTx(tx, key("a"), 1, "x"); return nil })
		if !errors.Is(err, errOfTest) || !errors.Is(s.Err(), errOfTest) {
			t.Errorf("got %v and %v, want the error of the commit", err, s.Err())
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if s.Err() == nil {
			t.Error("the second attempt did not fail")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if err := s.Err(); err != nil {
			t.Errorf("Err is still %v", err)
		}
		if s.Meta(key("a")) != nil {
			t.Error("what was answered with an error is there")
		}
	})
}

func TestReadersDoNotSeeACommitBeforeItIsConfirmed(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, key("a"), 1, "one")
	revision := s.Revision()
	written, confirm := make(chan struct{}), make(chan struct{})
	failingSync(t, s, func(do func() error) error {
		err := do()
		close(written)
		<-confirm
		return err
	})
	wrote := make(chan error, 1)
	go func() {
		wrote <- s.Update(context.Background(), func(tx *store.Tx) error { putTx(tx, key("a"), 2, "two"); return nil })
	}()
	within(t, written, "the commit to be written")

	if got := spec(t, s, key("a")); got != "one" {
		t.Errorf("read %q before it was confirmed", got)
	}
	if got := s.Meta(key("a")).Version; got != 1 {
		t.Errorf("version is %d before it was confirmed", got)
	}
	if got := changes(t, s, revision, 0); len(got) != 0 {
		t.Errorf("changes are %q before it was confirmed", got)
	}
	if got := list(t, s, store.ListOptions{}); got.Revision != revision || string(got.Records[0].Spec) != "one" {
		t.Errorf("list has revision %d and %q before it was confirmed", got.Revision, got.Records[0].Spec)
	}
	close(confirm)
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	if got := spec(t, s, key("a")); got != "two" {
		t.Errorf("read %q after it was answered", got)
	}
}

// failingSync puts sync around the sync of the next commits, until the test
// ends.
func failingSync(t *testing.T, s *store.Store, sync func(do func() error) error) {
	t.Helper()
	update(t, s, func(*store.Tx) { s.SetSync(sync) })
	t.Cleanup(func() { failingEnds(s) })
}

func TestACommitThatWasWrittenButNotConfirmedEndsTheStore(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(store.Options{Dir: dir, Sync: true})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, key("a"), 1, "one")
	failingSync(t, s, func(do func() error) error { return errors.Join(do(), errOfTest) })
	err = s.Update(context.Background(), func(tx *store.Tx) error { putTx(tx, key("a"), 2, "two"); return nil })
	if !errors.Is(err, errOfTest) {
		t.Errorf("got %v, want the error of the commit", err)
	}
	failingEnds(s)
	err = s.Update(context.Background(), func(tx *store.Tx) error { putTx(tx, key("b"), 1, "on top"); return nil })
	if !errors.Is(err, errOfTest) || !errors.Is(s.Err(), errOfTest) || !strings.Contains(err.Error(), "start the sidecar again") {
		t.Errorf("got %v, want an error that asks for a new start", err)
	}
	within(t, s.Broken(), "the store to be broken")
	if got := spec(t, s, key("a")); got != "one" {
		t.Errorf("read %q, which was not confirmed", got)
	}
	if err := s.Checkpoint(); !errors.Is(err, errOfTest) {
		t.Errorf("the file was written to: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}

	s = open(t, dir)
	if got := spec(t, s, key("a")); got != "two" {
		t.Errorf("spec is %q, want what the journal had", got)
	}
}

// Some file systems find out at the sync that there is no space: callers are
// told so, and that this store cannot heal by itself.
func TestADiskThatIsFullAtTheSync(t *testing.T) {
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		s, err := store.Open(store.Options{Dir: t.TempDir(), Sync: true})
		if err != nil {
			t.Fatal(err)
		}
		failingSync(t, s, func(func() error) error { return os.NewSyscallError("fdatasync", full) })
		for range 2 {
			err := s.Update(context.Background(), func(tx *store.Tx) error { putTx(tx, key("a"), 1, "x"); return nil })
			wantCode(t, err, resource.DiskFull)
			for _, text := range []string{filepath.Dir(s.Path()), "free space", "start the sidecar again"} {
				if err == nil || !strings.Contains(err.Error(), text) {
					t.Errorf("got %v, want an error with %q", err, text)
				}
			}
		}
		within(t, s.Broken(), "the store to be broken")
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestACheckpointThatWasWrittenButNotConfirmedEndsTheStore(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(store.Options{Dir: dir, Sync: true})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, key("a"), 1, "one")
	s.SetCheckpoint(func(tx *bbolt.Tx) error { return errors.Join(tx.Commit(), errOfTest) })
	if err := s.Checkpoint(); !errors.Is(err, errOfTest) {
		t.Errorf("got %v, want the error of the commit", err)
	}
	within(t, s.Broken(), "the store to be broken")
	s.SetCheckpoint((*bbolt.Tx).Commit)
	err = s.Update(context.Background(), func(tx *store.Tx) error { putTx(tx, key("b"), 1, "on top"); return nil })
	if !errors.Is(err, errOfTest) || !strings.Contains(err.Error(), "start the sidecar again") {
		t.Errorf("got %v, want an error that asks for a new start", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}

	s = open(t, dir)
	if got := spec(t, s, key("a")); got != "one" || s.Meta(key("b")) != nil {
		t.Errorf("spec is %q", got)
	}
}

func TestAPanicOfTheFileEndsTheStoreButNotTheProcess(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(store.Options{Dir: dir, Sync: true})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, key("a"), 1, "one")
	s.SetCheckpoint(func(*bbolt.Tx) error { panic("page 7: invalid page type") })
	_ = s.Checkpoint()
	for range 2 {
		err := s.Update(context.Background(), func(tx *store.Tx) error { putTx(tx, key("a"), 2, "two"); return nil })
		if err == nil || !strings.Contains(err.Error(), "page 7") || !strings.Contains(err.Error(), s.Path()) {
			t.Errorf("got %v, want an error that names page and file", err)
		}
	}
	if got := spec(t, s, key("a")); got != "one" {
		t.Errorf("spec is %q", got)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	within(t, closed, "the store to close")
}

// The disk has lost the file: whoever notices first, the process goes on, no
// call waits for ever, and the store says that it is broken.
func TestAFileThatIsLostEndsTheStoreButNotTheProcess(t *testing.T) {
	for name, notice := range map[string]func(s *store.Store){
		"by a read":   func(s *store.Store) { _, _ = s.Get(key("a")) },
		"by a commit": func(s *store.Store) { _ = s.Checkpoint() },
		"by itself":   func(*store.Store) {}, // when it lets the mapping go
	} {
		t.Run(name, func(t *testing.T) {
			s, err := store.Open(store.Options{Dir: t.TempDir(), Sync: true})
			if err != nil {
				t.Fatal(err)
			}
			put(t, s, key("a"), 1, "one")
			if err := os.Truncate(s.Path(), 0); err != nil {
				t.Fatal(err)
			}
			notice(s)
			within(t, s.Broken(), "the store to be broken")
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, readErr := s.Get(key("a"))
				writeErr := s.Update(context.Background(), func(tx *store.Tx) error { putTx(tx, key("a"), 2, "two"); return nil })
				for _, err := range []error{readErr, writeErr, s.Err()} {
					if err == nil || !strings.Contains(err.Error(), s.Path()) || !strings.Contains(err.Error(), "start the sidecar again") {
						t.Errorf("got %v, want an error that names the file and asks for a new start", err)
					}
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			within(t, done, "calls and close to end")
		})
	}
}
