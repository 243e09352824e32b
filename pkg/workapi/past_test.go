package workapi_test

import (
	"testing"
	"time"

	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// The end of a work that a watcher learns of after a restart has the metadata,
// under the name by which the work was known.
func TestDeletedAfterARestartHasTheMetadata(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, resource.Agent, dir)
	w.arrive(t, "hub1", "id-1", withName("same"), time.Time{})
	const metadata = `{"name":"same","labels":{"app":"b"},"annotations":{"mine":"1"}}`
	second := w.arrive(t, "hub2", "id-2", metadata, time.Time{})
	before := asWork(t, w.must(t, 200, "GET", inCluster1+"/id-2", "", ""))
	list := decode[workv1.ManifestWorkList](t, w.accept(t, worksPath, plain))
	w.end(t, second, metadata)
	w.stop()

	w = newWorld(t, resource.Agent, dir)
	s := w.watch(t, "resourceVersion="+list.ResourceVersion)
	got := s.nextOf(t, "DELETED id-2 app=b", "id-2")
	if got.Annotations["mine"] != "1" || got.Labels[manifestwork.OriginalSourceLabel] != "hub2" || !got.CreationTimestamp.Equal(&before.CreationTimestamp) ||
		got.DeletionTimestamp == nil || got.Namespace != "cluster1" {
		t.Errorf("%+v, was %+v", got.ObjectMeta, before.ObjectMeta)
	}
}

// A work that left a selection before it was deleted is deleted for who had
// selected it and was away; not for who selects another name.
func TestDeletedAfterARestartForASelection(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, resource.Source, dir)
	for _, name := range []string{"w1", "w2"} {
		w.must(t, 201, "POST", inCluster1, plain, workJSON("cluster1", name, "v1"))
	}
	list := decode[workv1.ManifestWorkList](t, w.accept(t, worksPath, plain))
	w.label(t, "w1", "other")
	w.must(t, 200, "DELETE", inCluster1+"/w1", "", "")
	w.stop()

	w = newWorld(t, resource.Source, dir)
	s := w.watch(t, "labelSelector=app%3Ddemo&resourceVersion="+list.ResourceVersion)
	gone := asWork(t, string(s.next(t, "DELETED w1 app=other").Object))
	if string(gone.UID) != manifestwork.ID("hub1", "cluster1", "w1") || gone.Generation != 2 {
		t.Errorf("%+v", gone.ObjectMeta)
	}
	named := w.watch(t, "fieldSelector=metadata.name%3Dw2&resourceVersion="+list.ResourceVersion)
	w.label(t, "w2", "a")
	named.next(t, "MODIFIED w2 app=a")
}
