package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// failing puts commit in the place of the next commits, until the test ends.
func failing(t *testing.T, s *store.Store, commit func(*bbolt.Tx) error) {
	t.Helper()
	update(t, s, func(*store.Tx) { s.SetCommit(commit) })
	t.Cleanup(func() { failingEnds(s) })
}

// failingEnds lets commits through again.
func failingEnds(s *store.Store) {
	_ = s.Update(context.Background(), func(*store.Tx) error {
		s.SetCommit((*bbolt.Tx).Commit)
		return nil
	})
}

func TestAFailedCommitChangesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, key("a"), 1, "one")
	revision, changed := s.Revision(), s.Changed()
	s.OnCommit(func([]store.Change) { t.Error("observers were told") })
	failing(t, s, func(tx *bbolt.Tx) error { return errOfTest })

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
		failing(t, s, func(tx *bbolt.Tx) error {
			if attempts++; attempts < 3 {
				return errOfTest
			}
			return tx.Commit()
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

// A commit shows in the file an instant before the disk has confirmed it.
func TestReadersDoNotSeeACommitBeforeItIsConfirmed(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, key("a"), 1, "one")
	written, confirm := make(chan struct{}), make(chan struct{})
	failing(t, s, func(tx *bbolt.Tx) error {
		err := tx.Commit()
		close(written)
		<-confirm
		return err
	})
	wrote := make(chan error, 1)
	go func() {
		wrote <- s.Update(context.Background(), func(tx *store.Tx) error { putTx(tx, key("a"), 2, "two"); return nil })
	}()
	within(t, written, "the commit to be written")

	read := make(chan string, 1)
	go func() { read <- spec(t, s, key("a")) }()
	select {
	case got := <-read:
		t.Errorf("read %q before it was confirmed", got)
	case <-time.After(50 * time.Millisecond):
	}
	if got := s.Meta(key("a")).Version; got != 1 {
		t.Errorf("version is %d before it was confirmed", got)
	}
	close(confirm)
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	if got := <-read; got != "two" {
		t.Errorf("read %q, want what the file shows", got)
	}
}

func TestACommitThatWasWrittenButNotConfirmedEndsTheStore(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(store.Options{Dir: dir, Sync: true})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, key("a"), 1, "one")
	failing(t, s, func(tx *bbolt.Tx) error { return errors.Join(tx.Commit(), errOfTest) })
	err = s.Update(context.Background(), func(tx *store.Tx) error { putTx(tx, key("a"), 2, "two"); return nil })
	if !errors.Is(err, errOfTest) {
		t.Errorf("got %v, want the error of the commit", err)
	}
	failingEnds(s)
	err = s.Update(context.Background(), func(tx *store.Tx) error { putTx(tx, key("b"), 1, "on top"); return nil })
	if !errors.Is(err, errOfTest) || !strings.Contains(err.Error(), "start the sidecar again") {
		t.Errorf("got %v, want an error that asks for a new start", err)
	}
	if _, err := s.Get(key("a")); !errors.Is(err, errOfTest) {
		t.Errorf("a read of what was not confirmed returned %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}

	s = open(t, dir)
	if got := spec(t, s, key("a")); got != "two" {
		t.Errorf("spec is %q, want what the file had", got)
	}
}

func TestAPanicOfTheFileEndsTheStoreButNotTheProcess(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(store.Options{Dir: dir, Sync: true})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, key("a"), 1, "one")
	failing(t, s, func(*bbolt.Tx) error { panic("page 7: invalid page type") })
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
