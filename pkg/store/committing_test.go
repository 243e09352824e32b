package store_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/store"
)

// Close may come while an Update commits on its own goroutine: what that is told
// is so.
func TestCloseWaitsForTheUpdateThatCommits(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir)
		busy, free, answer, closed := make(chan struct{}), make(chan struct{}), make(chan error, 1), make(chan error, 1)
		go func() {
			answer <- s.Update(context.Background(), func(tx *store.Tx) error {
				close(busy)
				<-free
				putTx(tx, key("a"), 1, "one")
				return nil
			})
		}()
		<-busy
		go func() { closed <- s.Close() }()
		synctest.Wait()
		if len(closed) > 0 {
			t.Error("it is closed, and the update was not answered")
		}
		close(free)
		for _, err := range []error{<-answer, <-closed} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	if got := spec(t, open(t, dir), key("a")); got != "one" {
		t.Errorf("spec is %q", got)
	}
}

// What came behind an Update, and had no room in its commit, is not forgotten.
func TestAnUpdateSoonIsNotLeftBehindByALargeUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir())
		synctest.Wait() // for the committer to sleep
		done := make(chan error, 1)
		s.UpdateBefore(func(tx *store.Tx) error {
			tx.SetSetting("large", make([]byte, store.MaxBytes))
			return nil
		}, func() {
			s.UpdateSoon(func(tx *store.Tx) error { putTx(tx, key("a"), 1, "one"); return nil }, func(err error) { done <- err })
		})
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Fatal("it was never committed")
		}
	})
}

// A caller that recovers from panics does not leave a store behind that commits
// nothing any more.
func TestAnObserverThatPanicsEndsTheProcess(t *testing.T) {
	t.Parallel()
	out, err := childCommand(t, "panic", t.TempDir(), false).CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("panic: of the observer")) {
		t.Errorf("%v: %s", err, out)
	}
}

// panicInObserver is the child.
func panicInObserver(dir string) error {
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		return err
	}
	s.OnCommit(func([]store.Change) { panic("of the observer") })
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for range 2 {
		func() {
			defer func() { _ = recover() }()
			err = s.Update(ctx, func(tx *store.Tx) error { putTx(tx, key("a"), 1, "one"); return nil })
		}()
	}
	return fmt.Errorf("it goes on: %w", err)
}
