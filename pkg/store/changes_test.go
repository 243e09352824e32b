package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// changes are entries that must come, in short.
func changes(t testing.TB, s *store.Store, since resource.Revision, limit int) (lines []string) {
	t.Helper()
	entries, err := s.Changes(since, limit)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		if e.Revision <= since || (i > 0 && e.Revision <= entries[i-1].Revision) {
			t.Errorf("revision %d is out of order", e.Revision)
		}
		lines = append(lines, line(e))
	}
	return lines
}

func TestChangesTellWhatHappenedAndWhatIs(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	start := s.Revision()
	deleting := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	put(t, s, key("a"), 1, "one")
	update(t, s, func(tx *store.Tx) {
		putTx(tx, key("b"), 7, "two")
		m := *tx.Meta(key("b"))
		m.Deleting = deleting
		tx.Put(m, store.Write{Visible: true, SpecChanged: true, Metadata: payload(`{"k":1}`)})
		tx.Put(*tx.Meta(key("a")), store.Write{Status: payload("silent")})
		tx.TakeRevision()
	})
	put(t, s, key("a"), 2, "three")
	update(t, s, func(tx *store.Tx) { bury(tx, key("b")) })
	put(t, s, key("c"), 1, "four")
	update(t, s, func(tx *store.Tx) { tx.Remove(key("c")) })
	want := []string{
		"ADDED a three", "ADDED b gone", "MODIFIED b gone", "MODIFIED a three", "DELETED b gone", "ADDED c gone", "DELETED c gone",
	}
	for range 2 {
		if got := changes(t, s, start, 0); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := changes(t, s, start, 3); !slices.Equal(got, want[:3]) {
			t.Errorf("got %q, want %q", got, want[:3])
		}
		if got := changes(t, s, start+4, 0); !slices.Equal(got, want[3:]) {
			t.Errorf("since the taken revision: got %q, want %q", got, want[3:])
		}
		if got := changes(t, s, s.Revision(), 0); len(got) != 0 {
			t.Errorf("since the last: got %q", got)
		}
		closeStore(t, s)
		s = open(t, dir)
	}
	entries, err := s.Changes(start, 0)
	if err != nil {
		t.Fatal(err)
	}
	last := entries[4].Last
	if last == nil || last.Version != 7 || !last.Deleting.Equal(deleting) || string(last.Metadata) != `{"k":1}` {
		t.Errorf("the deleted was last seen as %+v", last)
	}
	if last.Created != entries[1].Revision || !last.Born.IsZero() || last.Alias != "" {
		t.Errorf("its life was %+v", last)
	}
	if entries[6].Last == nil || entries[6].Last.Version != 1 {
		t.Errorf("the removed was last seen as %+v", entries[6].Last)
	}
	for _, i := range []int{0, 1, 3} {
		if entries[i].Last != nil {
			t.Errorf("entry %d is no deletion and has %+v", i, entries[i].Last)
		}
	}
}

func TestARecordDeletedAtOnceTellsItsDeletionTime(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, key("a"), 1, "x")
	before := s.Revision()
	var at time.Time
	update(t, s, func(tx *store.Tx) {
		m := *tx.Meta(key("a"))
		at = tx.Now()
		m.Gone, m.Deleting = at, at
		tx.Put(m, store.Write{Visible: true})
	})
	entries, err := s.Changes(before, 0)
	if err != nil || len(entries) != 1 || entries[0].Last == nil || !entries[0].Last.Deleting.Equal(at) {
		t.Errorf("got %+v, %v; want a deletion at %v", entries, err, at)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, history(5))
	start := s.Revision()
	for i := range 8 {
		put(t, s, key(fmt.Sprint("r-", i)), 1, "x")
	}
	_, err := s.Changes(start+2, 0)
	wantCode(t, err, resource.Expired)
	_, err = s.Changes(s.Revision()+1, 0)
	wantCode(t, err, resource.Expired)
	_, err = s.Changes(0, 0)
	wantCode(t, err, resource.Expired)
	if got := changes(t, s, start+3, 0); len(got) != 5 {
		t.Errorf("got %q, want 5 changes", got)
	}
	update(t, s, func(tx *store.Tx) {
		for i := range 20 {
			putTx(tx, key(fmt.Sprint("r-", i)), 2, "y")
		}
	})
	if got := changes(t, s, start+23, 0); len(got) != 5 || got[0] != "ADDED r-15 y" {
		t.Errorf("after a commit above the limit: got %q", got)
	}
	closeStore(t, s)

	// A shorter history is cut with the next commit.
	s = open(t, dir, history(2))
	put(t, s, key("last"), 1, "z")
	if got := changes(t, s, start+27, 0); len(got) != 2 {
		t.Errorf("after the limit was lowered: got %q", got)
	}
	_, err = s.Changes(start+26, 0)
	wantCode(t, err, resource.Expired)
}

// A watcher that takes Changed before it asks for Changes misses none.
func TestAWatcherMissesNothing(t *testing.T) {
	s := open(t, t.TempDir(), noSync)
	start := s.Revision()
	const total = 300
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := range total {
			put(t, s, key(fmt.Sprint("r-", i%7)), int64(i), "x")
		}
	})
	defer writer.Wait()
	seen, since := 0, start
	for seen < total {
		changed := s.Changed()
		entries, err := s.Changes(since, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Revision != since+1 {
				t.Fatalf("revision %d came after %d", e.Revision, since)
			}
			since = e.Revision
		}
		seen += len(entries)
		if len(entries) == 0 {
			within(t, changed, "the next change")
		}
	}
}
