package workapi_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// shown are the names of a list, and those that a watch from its version tells of
// until all are known.
func (w *world) shown(t testing.TB, text string, all int) int {
	t.Helper()
	list := decode[workv1.ManifestWorkList](t, text)
	names := make(map[string]bool, all)
	for _, item := range list.Items {
		names[item.Name] = true
	}
	s := w.watch(t, "resourceVersion="+list.ResourceVersion)
	defer s.stop()
	for len(names) < all {
		select {
		case e := <-s.events:
			names[strings.Fields(e.String())[1]] = true
		case <-time.After(5 * time.Second):
			return len(names)
		}
	}
	return len(names)
}

// A work that is made while a list is read is in the list or in the watch that
// goes on from it: an informer that missed it would never hear of it.
func TestAListAndAWatchMissNothing(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	const writers, each = 4, 60
	var all sync.WaitGroup
	for writer := range writers {
		all.Go(func() {
			for i := range each {
				w.must(t, 201, "POST", inCluster1, plain, workJSON("cluster1", fmt.Sprintf("w%d-%d", writer, i), "v1"))
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	var lists []string
	for ended := false; !ended; {
		lists = append(lists, w.accept(t, worksPath, plain))
		select {
		case <-done:
			ended = true
		default:
		}
	}
	for i, list := range lists {
		if got := w.shown(t, list, writers*each); got != writers*each {
			t.Fatalf("list %d and the watch from it show %d works of %d", i, got, writers*each)
		}
	}
}

// All pages are of one version: a client may watch from that of any of them.
func TestPagesHaveOneVersion(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	for i := range 3 {
		w.must(t, 201, "POST", inCluster1, plain, workJSON("cluster1", fmt.Sprintf("w%d", i), "v1"))
	}
	first := decode[workv1.ManifestWorkList](t, w.must(t, 200, "GET", worksPath+"?limit=2", "", ""))
	w.label(t, "w2", "later")
	second := decode[workv1.ManifestWorkList](t, w.must(t, 200, "GET", worksPath+"?limit=2&continue="+first.Continue, "", ""))
	if len(second.Items) != 1 || second.ResourceVersion != first.ResourceVersion || second.Continue != "" {
		t.Errorf("the second page has %d items, version %s after %s", len(second.Items), second.ResourceVersion, first.ResourceVersion)
	}
	w.must(t, 400, "GET", worksPath+"?continue=%21", "", "")
}
