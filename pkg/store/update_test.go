package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

var errOfTest = errors.New("refused by the test")

// together gets all updates into one commit: they come while the committer is
// held by another one. It returns their errors in their order.
func together(t *testing.T, s *store.Store, updates ...func(*store.Tx) error) []error {
	t.Helper()
	release := hold(t, s)
	errs := make([]error, len(updates))
	var answered sync.WaitGroup
	for i, fn := range updates {
		answered.Add(1)
		s.UpdateSoon(fn, func(err error) {
			errs[i] = err
			answered.Done()
		})
	}
	release()
	answered.Wait()
	return errs
}

// hold makes the committer busy until release is called. What comes meanwhile
// is in the same commit.
func hold(t *testing.T, s *store.Store) (release func()) {
	t.Helper()
	busy, free := make(chan struct{}), make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Update(context.Background(), func(*store.Tx) error {
			close(busy)
			<-free
			return nil
		})
	}()
	within(t, busy, "the committer to be held")
	return func() {
		close(free)
		within(t, ended, "the committer to be free")
	}
}

func TestAFailedUpdateHarmsNoOther(t *testing.T) {
	s := open(t, t.TempDir())
	start := s.Revision()
	put(t, s, key("b"), 1, "before")
	errs := together(t, s,
		func(tx *store.Tx) error { putTx(tx, key("a"), 1, "one"); return nil },
		func(tx *store.Tx) error {
			putTx(tx, key("a"), 9, "wrong")
			putTx(tx, key("x"), 9, "wrong")
			tx.Remove(key("b"))
			tx.SetSetting("name", []byte("wrong"))
			return errOfTest
		},
		func(tx *store.Tx) error { putTx(tx, key("x"), 9, "wrong"); panic("of the test") },
		func(tx *store.Tx) error { var m *store.Meta; _ = m.Version; return nil },
		func(tx *store.Tx) error { tx.Put(store.Meta{Key: key("zero\x00byte")}, store.Write{}); return nil },
		func(tx *store.Tx) error { putTx(tx, key("c"), 1, "three"); return nil },
		func(tx *store.Tx) error { putTx(tx, key(strings.Repeat("x", 40_000)), 1, "x"); return nil },
	)
	if errs[0] != nil || errs[5] != nil {
		t.Errorf("good updates failed: %v, %v", errs[0], errs[5])
	}
	if !errors.Is(errs[1], errOfTest) {
		t.Errorf("got %v, want the error of the function", errs[1])
	}
	if errs[2] == nil || strings.Contains(errs[2].Error(), "of the test") {
		t.Errorf("got %v, want an error that does not show the panic's value", errs[2])
	}
	if errs[3] == nil || !strings.Contains(errs[3].Error(), "nil pointer") {
		t.Errorf("got %v, want the runtime's error", errs[3])
	}
	wantCode(t, errs[4], resource.InvalidArgument)
	wantCode(t, errs[6], resource.InvalidArgument)
	if got := s.Revision(); got != start+3 {
		t.Errorf("revision is %d, want %d: failed updates use none", got, start+3)
	}
	if s.Meta(key("x")) != nil || s.Setting("name") != nil {
		t.Error("a failed update left something")
	}
	for id, want := range map[string]string{"a": "one", "b": "before", "c": "three"} {
		if got := spec(t, s, key(id)); got != want {
			t.Errorf("%s is %q, want %q", id, got, want)
		}
	}
}

func TestAnUpdateSeesThoseBeforeItInTheSameCommit(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, key("old"), 1, "on disk")
	other := key("old")
	other.Source = "hub0"
	var seen []string
	look := func(tx *store.Tx, k resource.Key) {
		r, err := tx.Record(k)
		if err != nil {
			seen = append(seen, string(resource.CodeOf(err)))
			return
		}
		seen = append(seen, fmt.Sprintf("%d %s/%s", r.Version, r.Spec, r.Status))
	}
	errs := together(t, s,
		func(tx *store.Tx) error {
			look(tx, key("old"))
			tx.Put(*tx.Meta(key("old")), store.Write{Status: payload("fine")})
			look(tx, key("old"))
			putTx(tx, other, 5, "other")
			tx.SetSetting("name", []byte("value"))
			return nil
		},
		func(tx *store.Tx) error {
			look(tx, key("old"))
			look(tx, other)
			found := tx.Find(dataType, "cluster1", "old")
			if len(found) != 2 || found[0].Key != other || found[1].Key != key("old") {
				t.Errorf("found %v", found)
			}
			if got := string(tx.Setting("name")); got != "value" {
				t.Errorf("setting is %q", got)
			}
			tx.Remove(key("old"))
			tx.SetSetting("name", nil)
			look(tx, key("old"))
			return nil
		},
		func(tx *store.Tx) error {
			if found := tx.Find(dataType, "cluster1", "old"); len(found) != 1 || found[0].Key != other {
				t.Errorf("found %v after the removal", found)
			}
			if tx.Meta(key("old")) != nil || tx.Setting("name") != nil {
				t.Error("the removal is not seen")
			}
			putTx(tx, key("old"), 7, "anew")
			look(tx, key("old"))
			return nil
		},
	)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	want := []string{"1 on disk/", "1 on disk/fine", "1 on disk/fine", "5 other/", "not_found", "7 anew/"}
	if !slices.Equal(seen, want) {
		t.Errorf("seen %q, want %q", seen, want)
	}
	r, err := s.Get(key("old"))
	if err != nil || r.Version != 7 || string(r.Spec) != "anew" || len(r.Status) != 0 {
		t.Errorf("on disk: %+v, %v", r, err)
	}
}

func TestAnUpdateWhoseCallerHasGoneDoesNotRun(t *testing.T) {
	s := open(t, t.TempDir())
	release := hold(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error)
	go func() {
		gone <- s.Update(ctx, func(*store.Tx) error {
			t.Error("it ran")
			return nil
		})
	}()
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	release()
	put(t, s, key("a"), 1, "after")

	if err := s.Update(ctx, func(*store.Tx) error { t.Error("it ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestAnUpdateThatHasStartedIsAnsweredWhateverItsContextDoes(t *testing.T) {
	s := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	err := s.Update(ctx, func(tx *store.Tx) error {
		cancel()
		putTx(tx, key("a"), 1, "taken")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := spec(t, s, key("a")); got != "taken" {
		t.Errorf("spec is %q", got)
	}
}

func TestUpdateSoonWaitsFiveMillisecondsForCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir())
		begin := time.Now()
		done := make(chan time.Duration, 2)
		mark := func(err error) {
			if err != nil {
				t.Error(err)
			}
			done <- time.Since(begin)
		}
		s.UpdateSoon(func(tx *store.Tx) error { putTx(tx, key("a"), 1, "alone"); return nil }, mark)
		if took := <-done; took != 5*time.Millisecond {
			t.Errorf("alone it took %v, want 5ms", took)
		}

		begin = time.Now()
		s.UpdateSoon(func(tx *store.Tx) error { putTx(tx, key("a"), 2, "first"); return nil }, mark)
		update(t, s, func(tx *store.Tx) {
			if got := tx.Meta(key("a")).Version; got != 2 {
				t.Errorf("version is %d: the earlier mark has not run", got)
			}
		})
		if took := <-done; took != 0 {
			t.Errorf("with an update it took %v, want no time", took)
		}
		s.UpdateSoon(func(*store.Tx) error { return nil }, nil)
	})
}

func TestObserversSeeEveryChangeInOrderBeforeItsWriters(t *testing.T) {
	s := open(t, t.TempDir())
	var seen []string
	s.OnCommit(func(changes []store.Change) {
		if last := changes[len(changes)-1].Meta; last != nil && s.Revision() != last.Revision {
			t.Errorf("the store has revision %d, the change %d", s.Revision(), last.Revision)
		}
		for _, c := range changes {
			seen = append(seen, describe(t, s, c))
		}
	})
	update(t, s, func(tx *store.Tx) {
		putTx(tx, key("a"), 1, "x")
		tx.Put(*tx.Meta(key("a")), store.Write{})
		putTx(tx, key("b"), 3, "x")
		tx.Remove(key("a"))
	})
	seen = append(seen, "answered")
	update(t, s, func(tx *store.Tx) { bury(tx, key("b")) })
	want := []string{"new a 1", "a 1 -> 1", "new b 3", "a removed", "answered", "b 3 -> 3"}
	if !slices.Equal(seen, want) {
		t.Errorf("seen %q, want %q", seen, want)
	}
}

// describe says what a change did, and that the index has what it says.
func describe(t *testing.T, s *store.Store, c store.Change) string {
	switch {
	case c.Meta == nil:
		return c.Prev.Key.ID + " removed"
	case c.Prev == nil:
		return fmt.Sprintf("new %s %d", c.Meta.Key.ID, c.Meta.Version)
	}
	if c.Meta.Key.ID == "b" && s.Meta(c.Meta.Key) != c.Meta {
		t.Error("the index does not have the change yet")
	}
	return fmt.Sprintf("%s %d -> %d", c.Meta.Key.ID, c.Prev.Version, c.Meta.Version)
}

func TestChangedTellsOfVisibleChangesOnly(t *testing.T) {
	s := open(t, t.TempDir())
	changed := s.Changed()
	put(t, s, key("a"), 1, "x")
	within(t, changed, "the change to be told")

	changed = s.Changed()
	update(t, s, func(tx *store.Tx) {
		tx.Put(*tx.Meta(key("a")), store.Write{Status: payload("x")})
		tx.SetSetting("name", []byte("x"))
		tx.TakeRevision()
	})
	select {
	case <-changed:
		t.Error("a silent change was told")
	default:
	}
}

func TestUpdatesOfManyAtOnceAreNeitherLostNorMixed(t *testing.T) {
	s := open(t, t.TempDir(), noSync)
	const writers, each = 8, 50
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				update(t, s, func(tx *store.Tx) {
					var version int64
					if m := tx.Meta(key("counter")); m != nil {
						version = m.Version
					}
					putTx(tx, key("counter"), version+1, fmt.Sprint(version+1))
				})
			}
		})
	}
	all.Wait()
	if got := s.Meta(key("counter")).Version; got != writers*each {
		t.Errorf("counted %d, want %d", got, writers*each)
	}
	if got := spec(t, s, key("counter")); got != fmt.Sprint(writers*each) {
		t.Errorf("spec is %s", got)
	}
}
