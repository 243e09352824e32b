package workapi

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metatable "k8s.io/apimachinery/pkg/api/meta/table"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/store"
)

// columns are what kubectl get mw shows; the cluster is the namespace, which
// kubectl shows itself. Those of priority 1 are for -o wide.
var columns = []metav1.TableColumnDefinition{
	{Name: "Name", Type: "string", Format: "name", Description: "Name of the work."},
	{Name: "Generation", Type: "integer", Description: "Version of the spec."},
	{Name: "Applied", Type: "string", Description: "Whether the agent says that the manifests are applied."},
	{Name: "Available", Type: "string", Description: "Whether the agent says that what they describe is there."},
	{Name: "Sync", Type: "string", Description: "How far the newest state has travelled: pending, published, observed, deleting."},
	{Name: "Age", Type: "string", Description: "Time since the work was made."},
	{Name: "Manifests", Type: "integer", Priority: 1, Description: "How many there are in the work."},
	{Name: "Source", Type: "string", Priority: 1, Description: "Who has declared the work."},
	{Name: "Sync-Error", Type: "string", Priority: 1, Description: "Why it does not travel."},
}

// tables shows works; how far they have travelled comes from the store.
type tables struct {
	hub    *hub
	engine Engine
}

// ConvertToTable makes the table of a work or a list of them.
func (t tables) ConvertToTable(_ context.Context, object, options runtime.Object) (*metav1.Table, error) {
	table := &metav1.Table{}
	if o, ok := options.(*metav1.TableOptions); !ok || !o.NoHeaders {
		table.ColumnDefinitions = columns
	}
	if list, ok := object.(*workv1.ManifestWorkList); ok {
		table.ResourceVersion, table.Continue, table.RemainingItemCount = list.ResourceVersion, list.Continue, list.RemainingItemCount
	} else if one, err := meta.CommonAccessor(object); err == nil {
		table.ResourceVersion = one.GetResourceVersion()
	}
	rows, err := metatable.MetaToTableRow(object, t.row)
	table.Rows = rows
	return table, err
}

func (t tables) row(obj runtime.Object, m metav1.Object, name, age string) ([]any, error) {
	w, ok := obj.(*workv1.ManifestWork)
	if !ok { // a bookmark or a status
		return []any{name, int64(0), "", "", "", age, int64(0), "", ""}, nil
	}
	state, source, fault := t.sync(place{w.Namespace, w.Name})
	return []any{name, w.Generation, condition(w, workv1.WorkApplied), condition(w, workv1.WorkAvailable), state, ageOf(w),
		int64(len(w.Spec.Workload.Manifests)), source, fault}, nil
}

// sync says how far a work has travelled; nothing of one that is gone.
func (t tables) sync(p place) (state, source, fault string) {
	key, ok := t.hub.find(p)
	if !ok {
		return "", "", ""
	}
	m := t.hub.store.Meta(key)
	if !(*store.Meta)(m).Visible() {
		return "", "", ""
	}
	return string(t.engine.SyncState(m)), key.Source, m.Out.Error
}

func condition(w *workv1.ManifestWork, kind string) string {
	if c := meta.FindStatusCondition(w.Status.Conditions, kind); c != nil {
		return string(c.Status)
	}
	return "<none>"
}

func ageOf(w *workv1.ManifestWork) string {
	if w.CreationTimestamp.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(metav1.Now().Sub(w.CreationTimestamp.Time))
}
