package workapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// stream is a watch that is being read.
type stream struct {
	events chan event
	stop   context.CancelFunc
}

type event struct {
	Type   string
	Object json.RawMessage
}

func (e event) String() string {
	var w workv1.ManifestWork
	if e.Type == "ERROR" {
		var status metav1.Status
		_ = json.Unmarshal(e.Object, &status)
		return fmt.Sprintf("ERROR %d", status.Code)
	}
	_ = json.Unmarshal(e.Object, &w)
	return fmt.Sprintf("%s %s app=%s", e.Type, w.Name, w.Labels["app"])
}

func (e event) version(t testing.TB) string {
	t.Helper()
	return decode[workv1.ManifestWork](t, string(e.Object)).ResourceVersion
}

func (w *world) watch(t testing.TB, query string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", w.server.URL+worksPath+"?watch=true&"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := w.server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("watch: %s", answer.Status)
	}
	s := &stream{events: make(chan event, 1000), stop: cancel}
	go func() {
		defer close(s.events)
		defer answer.Body.Close()
		lines := bufio.NewScanner(answer.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var e event
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				s.events <- e
			}
		}
	}()
	return s
}

// next is the event that must come.
func (s *stream) next(t testing.TB, want string) event {
	t.Helper()
	select {
	case e, ok := <-s.events:
		if !ok {
			t.Fatalf("the watch has ended, want %s", want)
		}
		if e.String() != want {
			t.Fatalf("got %s, want %s", e, want)
		}
		return e
	case <-time.After(10 * time.Second):
		t.Fatalf("nothing came, want %s", want)
	}
	return event{}
}

func (w *world) label(t testing.TB, name, value string) {
	t.Helper()
	w.must(t, 200, "PATCH", inCluster1+"/"+name, merge, `{"metadata":{"labels":{"app":"`+value+`"}}}`)
}

func TestAWatchFromTheBeginning(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	w.must(t, 201, "POST", inCluster1, plain, workJSON("cluster1", "w1", "v1"))
	s := w.watch(t, "")
	s.next(t, "ADDED w1 app=demo")
	w.label(t, "w1", "a")
	s.next(t, "MODIFIED w1 app=a")
	w.must(t, 200, "DELETE", inCluster1+"/w1", "", "")
	gone := s.next(t, "DELETED w1 app=a")
	if len(decode[workv1.ManifestWork](t, string(gone.Object)).Spec.Workload.Manifests) != 1 {
		t.Errorf("DELETED does not carry the last state: %s", gone.Object)
	}
}

func TestAWatchListEndsWithABookmark(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	w.must(t, 201, "POST", inCluster1, plain, workJSON("cluster1", "w1", "v1"))
	s := w.watch(t, "sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan")
	s.next(t, "ADDED w1 app=demo")
	mark := s.next(t, "BOOKMARK  app=")
	if !strings.Contains(string(mark.Object), `"k8s.io/initial-events-end":"true"`) {
		t.Errorf("bookmark %s", mark.Object)
	}
}

func TestAWatchOfASelection(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	w.must(t, 201, "POST", inCluster1, plain, workJSON("cluster1", "w1", "v1"))
	s := w.watch(t, "labelSelector=app%3Da")
	w.label(t, "w1", "a")
	s.next(t, "ADDED w1 app=a")
	w.must(t, 200, "PATCH", inCluster1+"/w1", merge, `{"metadata":{"labels":{"more":"1"}}}`)
	s.next(t, "MODIFIED w1 app=a")
	w.label(t, "w1", "b")
	s.next(t, "DELETED w1 app=b")
	w.label(t, "w1", "a")
	s.next(t, "ADDED w1 app=a")
}

// How far a work has travelled is no change of the object.
func TestTravellingIsNoChange(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	made := asWork(t, w.must(t, 201, "POST", inCluster1, plain, workJSON("cluster1", "w1", "v1")))
	s := w.watch(t, "resourceVersion="+made.ResourceVersion)
	key := resource.Key{DataType: manifestwork.Bundles, Source: "hub1", Cluster: "cluster1", ID: string(made.UID)}
	err := w.store.Update(t.Context(), func(tx *store.Tx) error {
		m := *tx.Meta(key)
		m.Out.Pending = false
		tx.Put(m, store.Write{Visible: true})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := asWork(t, w.must(t, 200, "GET", inCluster1+"/w1", "", "")); got.ResourceVersion != made.ResourceVersion {
		t.Errorf("resourceVersion %s, want %s", got.ResourceVersion, made.ResourceVersion)
	}
	w.label(t, "w1", "a")
	s.next(t, "MODIFIED w1 app=a")
}

func TestAWatchResumesAfterARestart(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, resource.Source, dir)
	for _, name := range []string{"kept", "changed", "deleted"} {
		w.must(t, 201, "POST", inCluster1, plain, workJSON("cluster1", name, "v1"))
	}
	list := decode[workv1.ManifestWorkList](t, w.accept(t, worksPath, plain))
	w.label(t, "changed", "a")
	w.label(t, "changed", "b")
	w.must(t, 200, "DELETE", inCluster1+"/deleted", "", "")
	w.must(t, 201, "POST", inCluster1, plain, workJSON("cluster1", "new", "v1"))
	w.stop()

	w = newWorld(t, resource.Source, dir)
	s := w.watch(t, "resourceVersion="+list.ResourceVersion)
	changed := s.next(t, "MODIFIED changed app=b")
	s.next(t, "DELETED deleted app=demo")
	s.next(t, "ADDED new app=demo")
	w.label(t, "new", "c")
	s.next(t, "MODIFIED new app=c")
	s.stop()

	s = w.watch(t, "resourceVersion="+changed.version(t))
	s.next(t, "DELETED deleted app=demo")
}

func TestVersionsThatAreNotKept(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	w.must(t, 201, "POST", inCluster1, plain, workJSON("cluster1", "w1", "v1"))
	w.must(t, 410, "GET", worksPath+"?watch=true&resourceVersion=5", "", "")
	w.must(t, 504, "GET", worksPath+"?resourceVersion=9223372036854775807", "", "") // too large: a timeout, as on a hub
	w.must(t, 410, "GET", worksPath+"?resourceVersion=5&resourceVersionMatch=Exact", "", "")
	w.must(t, 400, "GET", worksPath+"?resourceVersion=x", "", "")
}
