package workapi_test

import (
	"strings"
	"testing"
	"time"

	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// report stores a status as it came from the other side.
func (w *world) report(t testing.TB, key resource.Key, status string) {
	t.Helper()
	payload := []byte(status)
	err := w.store.Update(t.Context(), func(tx *store.Tx) error {
		m := *tx.Meta(key)
		m.HasStatus, m.StatusVersion = true, m.Version
		tx.Put(m, store.Write{Visible: true, Status: &payload})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// One agent that reports nonsense must not break the lists of all others.
func TestAStatusThatIsNoneIsLeftOutOfLists(t *testing.T) {
	for _, status := range []string{`{"conditions":"none"}`, `{"conditions":[7]}`, `{"conditions":[{"type":{}}]}`, `{"conditions":[],"resourceStatus":{"x":1}}`} {
		w := newWorld(t, resource.Source, t.TempDir())
		made := asWork(t, w.must(t, 201, "POST", inCluster1, plain, workJSON("cluster1", "w1", "v1")))
		key := resource.Key{DataType: manifestwork.Bundles, Source: "hub1", Cluster: "cluster1", ID: string(made.UID)}
		w.report(t, key, status)
		list := decode[workv1.ManifestWorkList](t, w.accept(t, worksPath, plain))
		one := asWork(t, w.must(t, 200, "GET", inCluster1+"/w1", "", ""))
		if len(list.Items) != 1 || len(one.Status.Conditions) != 0 || len(list.Items[0].Status.Conditions) != 0 {
			t.Errorf("%s: %+v", status, list.Items)
		}
	}
}

// The same holds at an agent for what a source sends.
func TestASpecThatIsNoneIsLeftOutOfLists(t *testing.T) {
	for _, spec := range []string{`{"manifests":"none"}`, `{"manifests":[{}],"deleteOption":7}`, `{"manifests":[{}],"manifestConfigs":[{"resourceIdentifier":"x"}]}`} {
		w := newWorld(t, resource.Agent, t.TempDir())
		key := w.arrive(t, "hub1", "id-1", `{"name":"w1"}`, time.Time{})
		payload := []byte(spec)
		err := w.store.Update(t.Context(), func(tx *store.Tx) error {
			tx.Put(*tx.Meta(key), store.Write{Visible: true, SpecChanged: true, Spec: &payload})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if list := decode[workv1.ManifestWorkList](t, w.accept(t, worksPath, plain)); len(list.Items) != 1 {
			t.Errorf("%s: %+v", spec, list.Items)
		}
	}
}

// What an agent reports is not the source's fault: its app goes on declaring.
func TestAnOddStatusDoesNotKeepASourceFromChanges(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	made := asWork(t, w.must(t, 201, "POST", inCluster1, plain, workJSON("cluster1", "w1", "v1")))
	key := resource.Key{DataType: manifestwork.Bundles, Source: "hub1", Cluster: "cluster1", ID: string(made.UID)}
	w.report(t, key, `{"conditions":[{"type":"Applied","status":"True"}]}`)
	w.label(t, "w1", "a")
	changed := asWork(t, w.must(t, 200, "PUT", inCluster1+"/w1", plain, workJSON("cluster1", "w1", "v2")))
	if changed.Generation != 3 || !strings.Contains(string(changed.Spec.Workload.Manifests[0].Raw), "v2") {
		t.Errorf("%+v", changed)
	}
}
