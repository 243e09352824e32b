package workapi_test

import (
	"fmt"
	"testing"
	"time"

	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// withName is what a source says of a work.
func withName(name string) string {
	return fmt.Sprintf(`{"name":%q,"labels":{"app":"demo"},"creationTimestamp":"2026-01-02T03:04:05Z"}`, name)
}

// end lets a work go: its source asks for it, and the app confirms.
func (w *world) end(t testing.TB, key resource.Key, metadata string) {
	t.Helper()
	w.arrive(t, key.Source, key.ID, metadata, time.Now())
	if _, _, err := w.engine.Delete(t.Context(), resource.DeleteRequest{Key: key}); err != nil {
		t.Fatal(err)
	}
}

// isNamed wants the works of these names to have these ids; "" = there is none.
func (w *world) isNamed(t testing.TB, ids map[string]string) {
	t.Helper()
	for name, id := range ids {
		if id == "" {
			w.must(t, 404, "GET", inCluster1+"/"+name, "", "")
			continue
		}
		if got := asWork(t, w.must(t, 200, "GET", inCluster1+"/"+name, "", "")); string(got.UID) != id {
			t.Errorf("%s is %s, want %s", name, got.UID, id)
		}
	}
}

// nextOf is the event that must come, of the work with that id.
func (s *stream) nextOf(t testing.TB, want, id string) workv1.ManifestWork {
	t.Helper()
	work := asWork(t, string(s.next(t, want).Object))
	if string(work.UID) != id {
		t.Fatalf("%s is about %s, want %s", want, work.UID, id)
	}
	return work
}

// A work of another source that came with the same name keeps the name that it
// got, whatever becomes of the first one.
func TestTheNameOfAWorkIsForLife(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, resource.Agent, dir)
	first := w.arrive(t, "hub1", "id-1", withName("same"), time.Time{})
	w.arrive(t, "hub2", "id-2", withName("same"), time.Time{})
	w.isNamed(t, map[string]string{"same": "id-1", "id-2": "id-2"})
	w.end(t, first, withName("same"))
	w.isNamed(t, map[string]string{"same": "", "id-2": "id-2"})
	w.stop()

	w = newWorld(t, resource.Agent, dir)
	w.isNamed(t, map[string]string{"same": "", "id-2": "id-2"})
	w.arrive(t, "hub3", "id-3", withName("same"), time.Time{})
	w.arrive(t, "hub1", "id-1", withName("same"), time.Time{})
	names := map[string]string{"same": "id-3", "id-2": "id-2", "id-1": "id-1"}
	w.isNamed(t, names)
	w.must(t, 200, "PATCH", inCluster1+"/id-1", merge, `{"metadata":{"finalizers":["a/b"]}}`)
	w.stop()

	w = newWorld(t, resource.Agent, dir)
	w.isNamed(t, names)
}

// Works that came while nobody had asked for works are named by who came first.
func TestNamesOfWorksThatCameUnseen(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, resource.Agent, dir)
	for i := range 3 {
		w.arrive(t, fmt.Sprintf("hub%d", 9-i), fmt.Sprintf("id-%d", i), withName("same"), time.Time{})
	}
	w.isNamed(t, map[string]string{"same": "id-0", "id-1": "id-1", "id-2": "id-2"})
	w.stop()

	w = newWorld(t, resource.Agent, dir)
	w.end(t, resource.Key{DataType: manifestwork.Bundles, Source: "hub9", Cluster: "cluster1", ID: "id-0"}, withName("same"))
	w.isNamed(t, map[string]string{"same": "", "id-1": "id-1", "id-2": "id-2"})
}

// A name goes from one work to another by DELETED and ADDED, in this order, also
// for who was away.
func TestANameThatGoesToAnotherWork(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, resource.Agent, dir)
	first := w.arrive(t, "hub1", "id-1", withName("same"), time.Time{})
	list := decode[workv1.ManifestWorkList](t, w.accept(t, worksPath, plain))
	w.end(t, first, withName("same"))
	w.arrive(t, "hub2", "id-2", withName("same"), time.Time{})
	w.isNamed(t, map[string]string{"same": "id-2"})
	w.stop()

	w = newWorld(t, resource.Agent, dir)
	s := w.watch(t, "resourceVersion="+list.ResourceVersion)
	s.nextOf(t, "DELETED same app=demo", "id-1")
	s.nextOf(t, "ADDED same app=demo", "id-2")
}

// The heir came before the first one went, and nobody had asked for works yet.
func TestANameThatIsInherited(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, resource.Agent, dir)
	first := w.arrive(t, "hub1", "id-1", withName("same"), time.Time{})
	list := decode[workv1.ManifestWorkList](t, w.accept(t, worksPath, plain))
	w.stop()

	w = newWorld(t, resource.Agent, dir)
	w.arrive(t, "hub2", "id-2", withName("same"), time.Time{})
	w.end(t, first, withName("same"))
	s := w.watch(t, "resourceVersion="+list.ResourceVersion)
	gone := s.nextOf(t, "DELETED same app=demo", "id-1")
	heir := s.nextOf(t, "ADDED same app=demo", "id-2")
	s.stop()
	for _, since := range []string{gone.ResourceVersion, heir.ResourceVersion} {
		again := w.watch(t, "resourceVersion="+since)
		again.nextOf(t, "DELETED same app=demo", "id-1")
		again.nextOf(t, "ADDED same app=demo", "id-2")
	}
	w.isNamed(t, map[string]string{"same": "id-2"})

	w.arrive(t, "hub2", "id-2", `{"name":"same","labels":{"app":"new"}}`, time.Time{})
	w.isNamed(t, map[string]string{"same": "id-2"})
	w.stop()
	w = newWorld(t, resource.Agent, dir)
	s = w.watch(t, "resourceVersion="+list.ResourceVersion)
	s.nextOf(t, "DELETED same app=demo", "id-1")
	s.nextOf(t, "ADDED same app=new", "id-2")
}

// A work that came and went unseen never had the name of one that is there.
func TestAWorkThatNeverHadTheName(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, resource.Agent, dir)
	w.arrive(t, "hub1", "id-1", withName("same"), time.Time{})
	list := decode[workv1.ManifestWorkList](t, w.accept(t, worksPath, plain))
	w.stop()

	w = newWorld(t, resource.Agent, dir)
	w.end(t, w.arrive(t, "hub2", "id-2", withName("same"), time.Time{}), withName("same"))
	w.arrive(t, "hub2", "id-3", withName("other"), time.Time{})
	s := w.watch(t, "resourceVersion="+list.ResourceVersion)
	s.nextOf(t, "ADDED other app=demo", "id-3")
}
