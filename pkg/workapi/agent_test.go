package workapi_test

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

const bundle = `{"manifests":[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm1"}}]}`

// arrive stores what a source has sent, as the engine does.
func (w *world) arrive(t testing.TB, source, id, metadata string, deleting time.Time) resource.Key {
	t.Helper()
	key := resource.Key{DataType: manifestwork.Bundles, Source: source, Cluster: "cluster1", ID: id}
	spec, meta := []byte(bundle), []byte(metadata)
	err := w.store.Update(t.Context(), func(tx *store.Tx) error {
		m := store.Meta{Key: key, BornTime: time.Now()}
		if before := tx.Meta(key); before.Visible() {
			m = *before
		}
		m.Version, m.ContentType, m.Deleting = m.Version+1, resource.JSONContentType, deleting
		tx.Put(m, store.Write{Visible: true, SpecChanged: true, Spec: &spec, Metadata: &meta})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

const status = `{"status":{"conditions":[{"type":"Applied","status":"True","lastTransitionTime":"2026-01-02T03:04:05Z","reason":"R","message":""}]}}`

func TestAnAgentsAppReportsAndCleansUp(t *testing.T) {
	w := newWorld(t, resource.Agent, t.TempDir())
	key := w.arrive(t, "hub1", "id-1", `{"name":"w1","labels":{"app":"demo"},"finalizers":["the/sources"]}`, time.Time{})
	got := asWork(t, w.must(t, 200, "GET", inCluster1+"/w1", "", ""))
	if string(got.UID) != "id-1" || got.Labels[manifestwork.OriginalSourceLabel] != "hub1" || len(got.Finalizers) != 0 ||
		got.Annotations[manifestwork.DataTypeAnnotation] != string(manifestwork.Bundles) {
		t.Errorf("%+v", got.ObjectMeta)
	}
	w.must(t, 403, "PATCH", inCluster1+"/w1", merge, `{"metadata":{"labels":{"app":"mine"}}}`)
	w.must(t, 403, "PATCH", inCluster1+"/w1", merge, `{"spec":{"workload":{"manifests":[]}}}`)
	w.must(t, 200, "PATCH", inCluster1+"/w1", merge, `{"metadata":{"finalizers":["a/b"]}}`)
	reported := asWork(t, w.must(t, 200, "PATCH", inCluster1+"/w1/status", merge, status))
	if !meta.IsStatusConditionTrue(reported.Status.Conditions, "Applied") || len(reported.Finalizers) != 1 {
		t.Errorf("%+v", reported)
	}
	w.must(t, 422, "PATCH", inCluster1+"/w1/status", merge, strings.ReplaceAll(status, `"True"`, `"Maybe"`))
	w.must(t, 422, "PATCH", inCluster1+"/w1/status", merge, strings.ReplaceAll(status, `"Applied"`, `"Deleted"`))

	res, err := w.engine.Get(t.Context(), key)
	if err != nil || res.StatusVersion != 1 || res.Sync.State != resource.Pending {
		t.Errorf("%+v, %v", res, err)
	}
	w.arrive(t, "hub1", "id-1", `{"name":"w1"}`, time.Now())
	if got := asWork(t, w.must(t, 200, "GET", inCluster1+"/w1", "", "")); got.DeletionTimestamp == nil || got.Finalizers[0] != "a/b" {
		t.Errorf("%+v", got.ObjectMeta)
	}
	w.must(t, 200, "PATCH", inCluster1+"/w1", merge, `{"metadata":{"finalizers":[]}}`)
	w.must(t, 404, "GET", inCluster1+"/w1", "", "")
	if m := w.store.Meta(key); m.Visible() || !m.Out.Pending {
		t.Errorf("the source is not told: %+v", m)
	}
}

// A deleting work has a finalizer even if the app has set none: it must clean up.
func TestADeletingWorkAtAnAgentWaitsForItsApp(t *testing.T) {
	w := newWorld(t, resource.Agent, t.TempDir())
	w.arrive(t, "hub1", "id-1", `{"name":"w1"}`, time.Now())
	got := asWork(t, w.must(t, 200, "GET", inCluster1+"/w1", "", ""))
	if len(got.Finalizers) != 1 || got.Finalizers[0] != manifestwork.CleanupFinalizer {
		t.Errorf("finalizers %v", got.Finalizers)
	}
	w.must(t, 200, "PATCH", inCluster1+"/w1", merge, `{"metadata":{"finalizers":null}}`)
	w.must(t, 404, "GET", inCluster1+"/w1", "", "")
}

func TestNamesAtAnAgent(t *testing.T) {
	w := newWorld(t, resource.Agent, t.TempDir())
	w.arrive(t, "hub1", "id-1", `{"name":"same"}`, time.Time{})
	w.arrive(t, "hub2", "id-2", `{"name":"same"}`, time.Time{})
	w.arrive(t, "hub1", "id-3", ``, time.Time{})
	odd := w.arrive(t, "hub1", "Not/A Name", `{"name":"Neither This"}`, time.Time{})
	w.arrive(t, "hub1", "id-5", `{"name":7}`, time.Time{})
	for name, id := range map[string]string{
		"same": "id-1", "id-2": "id-2", "id-3": "id-3", "id-5": "id-5",
		manifestwork.ID(odd.Source, odd.Cluster, odd.ID): odd.ID,
	} {
		if got := asWork(t, w.must(t, 200, "GET", inCluster1+"/"+name, "", "")); string(got.UID) != id {
			t.Errorf("%s is %s, want %s", name, got.UID, id)
		}
	}
}

func TestTheTwoViewsAreOneTruth(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	key := resource.Key{DataType: manifestwork.Bundles, Cluster: "cluster1", ID: manifestwork.ID("hub1", "cluster1", "w1")}
	put := func(metadata string) error {
		_, _, err := w.engine.Put(t.Context(), resource.PutRequest{Key: key, Metadata: []byte(metadata),
			Spec: resource.Payload{Data: []byte(bundle), ContentType: resource.JSONContentType}})
		return err
	}
	if err := put(`{"name":"other"}`); resource.CodeOf(err) != resource.InvalidArgument || err == nil {
		t.Errorf("a name that does not fit the id: %v", err)
	}
	if err := put(`{"name":"w1","labels":{"app":"demo"}}`); err != nil {
		t.Fatal(err)
	}
	made := asWork(t, w.must(t, 200, "GET", inCluster1+"/w1", "", ""))
	if made.Generation != 1 || made.Labels["app"] != "demo" || made.CreationTimestamp.IsZero() {
		t.Errorf("%+v", made.ObjectMeta)
	}
	w.label(t, "w1", "a")
	res, err := w.engine.Get(t.Context(), key)
	if err != nil || res.Version != 2 || !strings.Contains(string(res.Metadata), `"app":"a"`) {
		t.Errorf("%+v, %v", res, err)
	}
	if err := put(string(res.Metadata)); err != nil {
		t.Fatal(err)
	}
	if again, _ := w.engine.Get(t.Context(), key); again.Version != 2 {
		t.Errorf("version %d: what GET gave is no change", again.Version)
	}
	if _, _, err := w.engine.Delete(t.Context(), resource.DeleteRequest{Key: key}); err != nil {
		t.Fatal(err)
	}
	w.must(t, 404, "GET", inCluster1+"/w1", "", "")
}

// A source's app may hold a work with a finalizer of its own, and may force one
// to go by taking away the one that waits for the agent.
func TestFinalizersAtASource(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	w.must(t, 201, "POST", inCluster1, plain, strings.Replace(workJSON("cluster1", "w1", "v1"), `"labels"`, `"finalizers":["mine/hold"],"labels"`, 1))
	w.must(t, 200, "DELETE", inCluster1+"/w1", "", "")
	if got := asWork(t, w.must(t, 200, "GET", inCluster1+"/w1", "", "")); got.DeletionTimestamp == nil || len(got.Finalizers) != 1 {
		t.Errorf("%+v", got.ObjectMeta)
	}
	w.must(t, 409, "PATCH", inCluster1+"/w1", merge, `{"metadata":{"labels":{"app":"x"}}}`)
	w.must(t, 200, "PATCH", inCluster1+"/w1", merge, `{"metadata":{"finalizers":null}}`)
	w.must(t, 404, "GET", inCluster1+"/w1", "", "")

	made := asWork(t, w.must(t, 201, "POST", inCluster1, plain, workJSON("cluster1", "w2", "v1")))
	key := resource.Key{DataType: manifestwork.Bundles, Source: "hub1", Cluster: "cluster1", ID: string(made.UID)}
	left := func(tx *store.Tx) error {
		m := *tx.Meta(key)
		m.Out.Left = true
		tx.Put(m, store.Write{})
		return nil
	}
	if err := w.store.Update(t.Context(), left); err != nil {
		t.Fatal(err)
	}
	w.must(t, 200, "DELETE", inCluster1+"/w2", "", "")
	if got := asWork(t, w.must(t, 200, "GET", inCluster1+"/w2", "", "")); len(got.Finalizers) != 1 || got.Finalizers[0] != manifestwork.CleanupFinalizer {
		t.Errorf("finalizers %v", got.Finalizers)
	}
	w.must(t, 200, "PATCH", inCluster1+"/w2", merge, `{"metadata":{"finalizers":null}}`)
	w.must(t, 404, "GET", inCluster1+"/w2", "", "")
	if m := w.store.Meta(key); m.Visible() || !m.Out.Pending {
		t.Errorf("the agents are not told any more: %+v", m)
	}
}
