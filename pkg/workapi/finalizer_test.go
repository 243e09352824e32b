package workapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// mark changes what is kept of a work as the engine does.
func (w *world) mark(t testing.TB, key resource.Key, change func(*store.Meta)) {
	t.Helper()
	err := w.store.Update(t.Context(), func(tx *store.Tx) error {
		m := *tx.Meta(key)
		change(&m)
		tx.Put(m, store.Write{Visible: true})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// deletingWithTwo is a work that is being deleted, with a finalizer of the app
// and the one that waits for the agent.
func (w *world) deletingWithTwo(t testing.TB) resource.Key {
	t.Helper()
	body := strings.Replace(workJSON("cluster1", "w1", "v1"), `"labels"`, `"finalizers":["mine/hold"],"labels"`, 1)
	made := asWork(t, w.must(t, 201, "POST", inCluster1, plain, body))
	key := resource.Key{DataType: manifestwork.Bundles, Source: "hub1", Cluster: "cluster1", ID: string(made.UID)}
	w.mark(t, key, func(m *store.Meta) { m.Out.Left = true })
	w.must(t, 200, "DELETE", inCluster1+"/w1", "", "")
	if got := asWork(t, w.must(t, 200, "GET", inCluster1+"/w1", "", "")); len(got.Finalizers) != 2 {
		t.Fatalf("finalizers %v", got.Finalizers)
	}
	return key
}

// The finalizer that waits for the agent goes last: with it the work goes.
func TestAFinalizerOfTheAppHoldsAWorkThatIsForced(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	w.deletingWithTwo(t)
	answer := w.must(t, 422, "PATCH", inCluster1+"/w1", merge, `{"metadata":{"finalizers":["mine/hold"]}}`)
	if !strings.Contains(answer, "metadata.finalizers") || !strings.Contains(answer, "mine/hold") {
		t.Error(answer)
	}
	w.must(t, 200, "GET", inCluster1+"/w1", "", "")
	w.must(t, 200, "PATCH", inCluster1+"/w1", merge, `{"metadata":{"finalizers":["`+manifestwork.CleanupFinalizer+`"]}}`)
	w.must(t, 200, "PATCH", inCluster1+"/w1", merge, `{"metadata":{"finalizers":null}}`)
	w.must(t, 404, "GET", inCluster1+"/w1", "", "")
}

// An agent that has confirmed is not told again when the app lets a work go.
func TestAnAgentThatHasConfirmedIsNotToldAgain(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	key := w.deletingWithTwo(t)
	w.mark(t, key, func(m *store.Meta) { m.Confirmed, m.Out.Pending, m.Out.Confirmed = time.Now(), false, true })
	w.must(t, 200, "PATCH", inCluster1+"/w1", merge, `{"metadata":{"finalizers":null}}`)
	w.must(t, 404, "GET", inCluster1+"/w1", "", "")
	if m := w.store.Meta(key); m.Visible() || m.Out.Pending || m.Confirmed.IsZero() {
		t.Errorf("%+v", m)
	}
}
