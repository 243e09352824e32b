package proxy_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// watched is a watcher that remembers what it saw.
type watched struct {
	lines []string
	last  resource.Revision
	err   error
	end   context.CancelFunc
	ended chan struct{}
}

func (s *sidecar) watch(req resource.WatchRequest) *watched {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watched{end: cancel, ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		w.err = s.Watch(ctx, req, func(events []resource.WatchEvent) error {
			for _, e := range events {
				w.see(e)
			}
			return nil
		})
	}()
	synctest.Wait()
	return w
}

func (w *watched) see(e resource.WatchEvent) {
	line := e.Type
	if e.Resource != nil {
		line += fmt.Sprintf(" %s v%d", e.Resource.ID, e.Resource.Version)
		w.last = e.Resource.Revision
	} else {
		w.last = e.Revision
	}
	w.lines = append(w.lines, line)
}

func (w *watched) stop() []string {
	synctest.Wait()
	w.end()
	<-w.ended
	return w.lines
}

func TestWatchShowsAllThenChanges(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.cut(false)
		synctest.Wait()
		s.put("a", `{}`)
		s.put("b", `{}`)
		w := s.watch(resource.WatchRequest{})
		s.put("a", `{"n":2}`)
		s.delete("b", false)
		time.Sleep(15 * time.Second)
		got := w.stop()
		want := []string{"ADDED a v1", "ADDED b v1", "SYNCED", "MODIFIED a v2", "DELETED b v1", "BOOKMARK"}
		slices.Sort(got[:2])
		if !slices.Equal(got, want) {
			t.Fatalf("saw %q, want %q", got, want)
		}
	})
}

func TestWatchResumesOverARestart(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.cut(false)
		synctest.Wait()
		s.put("a", `{}`)
		w := s.watch(resource.WatchRequest{})
		w.stop()
		s.put("b", `{}`)
		s.put("c", `{}`)
		s.put("c", `{"n":2}`)
		s.delete("c", false)
		s.put("c", `{"n":3}`)
		s.restart()
		resumed := s.watch(resource.WatchRequest{Since: &w.last})
		got := resumed.stop()
		if want := []string{"ADDED b v1", "DELETED c v2", "ADDED c v3"}; !slices.Equal(got, want) {
			t.Fatalf("saw %q, want %q", got, want)
		}
		future := resource.Revision(1 << 62)
		if w := s.watch(resource.WatchRequest{Since: &future}); resource.CodeOf(waitErr(w)) != resource.Expired {
			t.Fatalf("a revision of another store: %v, want expired", w.err)
		}
	})
}

func waitErr(w *watched) error {
	<-w.ended
	return w.err
}

func TestWatchFilters(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		w := s.watch(resource.WatchRequest{Cluster: "cluster2"})
		s.put("a", `{}`)
		if got := w.stop(); !slices.Equal(got, []string{"SYNCED"}) {
			t.Fatalf("saw %q of another cluster", got)
		}
	})
}

func TestListPagesAreOneSnapshot(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.cut(false)
		synctest.Wait()
		for i := range 5 {
			s.put(fmt.Sprintf("r%d", i), `{}`)
		}
		ctx := context.Background()
		page, err := s.List(ctx, resource.ListRequest{DataType: devices, Limit: 2})
		if err != nil || len(page.Items) != 2 || page.Continue == "" {
			t.Fatalf("first page: %+v, %v", page, err)
		}
		s.put("r3", `{"n":2}`)
		s.delete("r4", false)
		seen := 2
		for next := page; next.Continue != ""; {
			if next, err = s.List(ctx, resource.ListRequest{DataType: devices, Limit: 2, Continue: next.Continue}); err != nil {
				t.Fatal(err)
			}
			for _, res := range next.Items {
				seen++
				if res.Version != 1 || next.Revision != page.Revision {
					t.Errorf("%s has version %d, page revision %s: not the snapshot %s", res.ID, res.Version, next.Revision, page.Revision)
				}
			}
		}
		if seen != 5 {
			t.Fatalf("saw %d of 5", seen)
		}
	})
}
