package proxy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// changing runs a test with a source that is not connected and keeps only so
// many changes.
func changing(t *testing.T, history int, test func(t *testing.T, s *source)) {
	synctest.Test(t, func(t *testing.T) {
		st, err := store.Open(store.Options{Dir: t.TempDir(), History: history})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		p, err := New(Options{Role: resource.Source, ID: "s", Store: st, Live: Live{DataTypes: []resource.DataType{"a.v1.b"}}})
		if err != nil {
			t.Fatal(err)
		}
		test(t, p.side.(*source))
	})
}

// declares puts a resource with a spec that is new and so many bytes long.
func (s *source) declares(t *testing.T, number, size int) {
	t.Helper()
	spec := fmt.Appendf(nil, `{"at":%d,"x":%q}`, s.store.Revision(), strings.Repeat("x", size))
	if _, _, err := s.Put(context.Background(), resource.PutRequest{Key: boxKey("c", number),
		Spec: resource.Payload{Data: spec, ContentType: resource.JSONContentType}}); err != nil {
		t.Fatal(err)
	}
}

func mustAfter(t *testing.T, f *feed, cursor resource.Revision) []*change {
	t.Helper()
	changes, err := f.after(cursor)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range changes {
		if c.revision != cursor+resource.Revision(i)+1 {
			t.Fatalf("change %d after %s has revision %s", i, cursor, c.revision)
		}
	}
	return changes
}

func TestFeedIsReadOnce(t *testing.T) {
	changing(t, 0, func(t *testing.T, s *source) {
		before := s.store.Revision()
		if got := mustAfter(t, s.feed, before); len(got) != 0 {
			t.Fatalf("%d changes before the first", len(got))
		}
		for i := range 3 {
			s.declares(t, i, 10)
		}
		one, two := mustAfter(t, s.feed, before), mustAfter(t, s.feed, before+1)
		if len(one) != 3 || len(two) != 2 || one[1] != two[0] || one[2].shown != two[1].shown {
			t.Fatalf("%d and %d changes", len(one), len(two))
		}
	})
}

func TestFeedIsBounded(t *testing.T) {
	changing(t, 0, func(t *testing.T, s *source) {
		before := s.store.Revision()
		const large, most = 200 << 10, feedBytes/(200<<10) + 1
		for i := range 3 * most {
			s.declares(t, i, large)
			mustAfter(t, s.feed, s.store.Revision()-1)
		}
		if n := len(s.feed.changes); n == 0 || n > most || s.feed.bytes > feedBytes {
			t.Errorf("it holds %d changes, %d bytes", n, s.feed.bytes)
		}
		if got := mustAfter(t, s.feed, before); len(got) != 1 { // larger than a batch
			t.Errorf("who is behind gets %d changes", len(got))
		}
	})
}

// What was nobody's business meanwhile is not read when somebody comes.
func TestFeedStartsAgainAfterAPause(t *testing.T) {
	changing(t, 3*feedChanges, func(t *testing.T, s *source) {
		mustAfter(t, s.feed, s.store.Revision())
		before := s.store.Revision()
		update(t, s, func(tx *store.Tx) {
			for range feedChanges + 10 {
				tx.Put(store.Meta{Key: boxKey("c", 1), Version: 1}, store.Write{Visible: true})
			}
		})
		last := s.store.Revision()
		if got := mustAfter(t, s.feed, last-5); len(got) != 5 || len(s.feed.changes) != 5 {
			t.Errorf("%d changes, %d are held", len(got), len(s.feed.changes))
		}
		if got := mustAfter(t, s.feed, before); len(got) == 0 {
			t.Error("who is behind gets none")
		}
	})
}

func TestFeedOfWhatIsNotKnown(t *testing.T) {
	changing(t, 10, func(t *testing.T, s *source) {
		first := s.store.Revision()
		mustAfter(t, s.feed, first)
		for i := range 30 {
			s.declares(t, i, 1)
		}
		for _, cursor := range []resource.Revision{0, first, s.store.Revision() + 1, 1 << 62} {
			if got, err := s.feed.after(cursor); err == nil || resource.CodeOf(err) != resource.Expired {
				t.Errorf("after %s: %d changes, %v; want expired", cursor, len(got), err)
			}
		}
		if got := mustAfter(t, s.feed, s.store.Revision()-4); len(got) != 4 {
			t.Errorf("%d changes, want 4", len(got))
		}
	})
}

// A watcher that is too slow is told to start again.
func TestAWatcherThatFallsBehindIsExpired(t *testing.T) {
	changing(t, 10, func(t *testing.T, s *source) {
		err := s.Watch(context.Background(), resource.WatchRequest{}, func([]resource.WatchEvent) error {
			for i := range 30 { // while it reads
				s.declares(t, i, 1)
			}
			return nil
		})
		if resource.CodeOf(err) != resource.Expired {
			t.Errorf("it ended with %v, want expired", err)
		}
	})
}

// Watchers that hold a large resource hold it once, and nothing is kept of it
// afterwards.
func TestLargeViewsAreShared(t *testing.T) {
	changing(t, 0, func(t *testing.T, s *source) {
		s.declares(t, 1, sharedView)
		one, _, err1 := s.shows.of(boxKey("c", 1))
		two, _, err2 := s.shows.of(boxKey("c", 1))
		if err1 != nil || err2 != nil || one == nil || one != two {
			t.Fatalf("%p and %p, %v, %v", one, two, err1, err2)
		}
		s.declares(t, 1, sharedView+1)
		if newer, _, _ := s.shows.of(boxKey("c", 1)); newer == one || newer.Revision <= one.Revision {
			t.Error("an old state is shown")
		}
		runtime.KeepAlive(one)
		for i := 0; i < 100; i++ {
			runtime.GC()
			s.shows.mu.Lock()
			held := len(s.shows.held)
			s.shows.mu.Unlock()
			if held == 0 {
				return
			}
			time.Sleep(time.Millisecond)
		}
		t.Error("views are held that nobody uses")
	})
}

// replica is what a watcher makes of its events.
type replica struct {
	has    map[resource.Key]int64
	last   resource.Revision
	synced bool
	err    error
}

func (r *replica) apply(events []resource.WatchEvent) {
	for _, e := range events {
		switch e.Type {
		case resource.WatchSynced:
			r.synced, r.last = true, e.Revision
			continue
		case resource.WatchBookmark:
			continue
		case resource.WatchDeleted:
			delete(r.has, e.Resource.Key)
		default:
			if e.Resource.Version <= r.has[e.Resource.Key] {
				r.err = fmt.Errorf("%s went from version %d to %d", e.Resource.Key, r.has[e.Resource.Key], e.Resource.Version)
			}
			r.has[e.Resource.Key] = e.Resource.Version
		}
	}
}

// However fast watchers read, and whatever they are limited to, in the end they
// have what the store has, and never went back.
func TestWatchersEndUpEqual(t *testing.T) {
	changing(t, 0, func(t *testing.T, s *source) {
		ctx, cancel := context.WithCancel(context.Background())
		random := rand.New(rand.NewPCG(1, 2))
		change := func() {
			number := random.IntN(40)
			if random.IntN(4) > 0 {
				s.declares(t, number, random.IntN(2*batchBytes))
			} else {
				_, _, _ = s.Delete(ctx, resource.DeleteRequest{Key: boxKey("c", number)}) // which may not be there
			}
		}
		var replicas []*replica
		ended := make(chan struct{})
		for i := range 8 {
			r, pace := &replica{has: map[resource.Key]int64{}}, time.Duration(i*i)*time.Millisecond
			replicas = append(replicas, r)
			for range 20 {
				change()
			}
			go func() {
				_ = s.Watch(ctx, resource.WatchRequest{}, func(events []resource.WatchEvent) error {
					time.Sleep(pace)
					r.apply(events)
					return nil
				})
				ended <- struct{}{}
			}()
			time.Sleep(time.Millisecond)
		}
		for range 600 {
			change()
			if random.IntN(10) == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		cancel()
		want := map[resource.Key]int64{}
		for m := range s.store.All() {
			if m.Visible() {
				want[m.Key] = m.Version
			}
		}
		for i, r := range replicas {
			<-ended
			if r.err != nil || !r.synced || fmt.Sprint(r.has) != fmt.Sprint(want) {
				t.Errorf("watcher %d: %v, synced %v, has %v, want %v", i, r.err, r.synced, r.has, want)
			}
		}
	})
}
