package workapi

import (
	"context"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/watch"
	apistorage "k8s.io/apiserver/pkg/storage"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// shortHistory is a store that keeps few changes, so that they are soon too old.
func shortHistory(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{Dir: t.TempDir(), History: 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// write puts works in one commit.
func write(t *testing.T, s *store.Store, names ...string) {
	t.Helper()
	label(t, s, "", names...)
}

// label puts works with that label app.
func label(t *testing.T, s *store.Store, app string, names ...string) {
	t.Helper()
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		for _, name := range names {
			spec, metadata := []byte(`{"manifests":[]}`), []byte(`{"name":"`+name+`","labels":{"app":"`+app+`"}}`)
			m := store.Meta{Key: resource.Key{DataType: manifestwork.Bundles, Source: "hub1", Cluster: "cluster1", ID: name},
				Version: 1, ContentType: resource.JSONContentType, BornTime: time.Now()}
			tx.Put(m, store.Write{Visible: true, SpecChanged: true, Spec: &spec, Metadata: &metadata})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A hub that has fallen behind the history reads the index anew. Readers see all
// works meanwhile, because a part of them would look like deletions, and those
// who wait for the index are told.
func TestAnIndexThatIsReadAnewIsSeenAsAWhole(t *testing.T) {
	s := shortHistory(t)
	names := make([]string, 3*loadPage)
	for i := range names {
		names[i] = fmt.Sprintf("w%d", i)
	}
	write(t, s, names...)
	h := newHub(&Options{Store: s, Role: resource.Source})
	if err := h.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	waiting := h.advanced
	for range 20 {
		write(t, s, names[0])
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = h.follow(ctx)
	}()
	defer func() { stop(); <-ended }()
	for done := false; !done; {
		h.mu.RLock()
		got := len(h.places)
		done = h.cursor >= s.Revision()
		h.mu.RUnlock()
		if got != len(names) {
			t.Fatalf("%d works of %d are seen", got, len(names))
		}
	}
	select {
	case <-waiting:
	default:
		t.Error("who waits is not told")
	}
}

// keepUp is what follow does with the changes that there are.
func (h *hub) keepUp(t *testing.T) {
	t.Helper()
	entries, through, err := h.store.ChangesOf(h.cursor, 0, h.wanted)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.take(t.Context(), entries, through); err != nil {
		t.Fatal(err)
	}
}

// A watch that lags reads the history, which passes over what a newer change
// follows: also over the one that takes a work out of its selection.
func TestAWatchThatLagsHearsWhatLeftItsSelection(t *testing.T) {
	s, err := store.Open(store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	label(t, s, "chosen", "w1")
	h := newHub(&Options{Store: s, Role: resource.Source})
	if err := h.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	since := s.Revision()
	label(t, s, "other", "w1")
	h.keepUp(t)
	h.recent.reset(h.cursor) // as if there had been many changes
	for range followBatch {
		label(t, s, "other", "w2")
	}
	label(t, s, "another", "w1")
	h.keepUp(t)

	selector, err := labels.Parse("app=chosen")
	if err != nil {
		t.Fatal(err)
	}
	w := &follower{storage: &workStorage{codec: h.codec, store: s, hub: h}, since: since,
		predicate: apistorage.SelectionPredicate{Label: selector, Field: fields.Everything()}}
	w.start(t.Context())
	defer w.Stop()
	select {
	case e := <-w.ResultChan():
		if name := e.Object.(*shared).Name; e.Type != watch.Deleted || name != "w1" {
			t.Errorf("%s of %s", e.Type, name)
		}
	case <-time.After(10 * time.Second):
		t.Error("the watch was not told")
	}
}
