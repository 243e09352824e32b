package workapi

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// codec turns records of the store into ManifestWorks and back, as a role shows
// them.
type codec struct{ role resource.Role }

// work is a record as a ManifestWork of that name. What cannot be read of it,
// because the other side sent something else, is left out.
func (c codec) work(rec *store.Record, name string) *workv1.ManifestWork {
	w, _ := c.read(rec, name)
	return w
}

// read tells too whether all of it could be read.
func (c codec) read(rec *store.Record, name string) (_ *workv1.ManifestWork, whole bool) {
	var specErr, statusErr error
	w := &workv1.ManifestWork{TypeMeta: metav1.TypeMeta{APIVersion: groupVersion.String(), Kind: workKind.Kind}}
	w.ObjectMeta = c.metadata(rec, name)
	if rec.ContentType != "" {
		w.Spec, specErr = decodeSpec(rec.Key.DataType, rec.Spec)
	}
	if rec.HasStatus {
		w.Status, statusErr = decodeStatus(rec.Key.DataType, rec.Status)
	}
	return w, specErr == nil && statusErr == nil
}

// metadata is what was declared, with what this side knows.
func (c codec) metadata(rec *store.Record, name string) metav1.ObjectMeta {
	m := c.declared(rec.Key, rec.Metadata, name)
	m.ResourceVersion = rec.ObjectRevision.String()
	m.Generation = rec.Version
	c.birth(&m, rec.BornTime)
	c.deletion(&m, rec.Deleting)
	local, _ := manifestwork.ReadLocal(rec.Local) // we wrote it; what cannot be read is as good as none
	m.Finalizers = c.finalizers(rec, local)
	_ = json.Unmarshal(local.ManagedFields, &m.ManagedFields)
	if own := c.sequence(rec); own.name != "" {
		metav1.SetMetaDataAnnotation(&m, own.name, own.value)
	}
	return m
}

// text is a label or an annotation that this side writes itself; without a name
// there is none.
type text struct{ name, value string }

// origin is the label of works at an agent: whose they are.
func (c codec) origin(key resource.Key) (own text) {
	if c.role == resource.Agent {
		own = text{manifestwork.OriginalSourceLabel, key.Source}
	}
	return own
}

// sequence is the annotation of works at a source: which status they show.
func (c codec) sequence(rec *store.Record) (own text) {
	if c.role == resource.Source && rec.SequenceID != 0 {
		own = text{manifestwork.SequenceIDAnnotation, strconv.FormatInt(rec.SequenceID, 10)}
	}
	return own
}

// declared is metadata as it is kept: that of the source at a source, and that
// of the event at an agent.
func (c codec) declared(key resource.Key, metadata []byte, name string) (m metav1.ObjectMeta) {
	if json.Unmarshal(metadata, &m) != nil {
		m = metav1.ObjectMeta{}
	}
	m.Name, m.Namespace, m.UID = name, key.Cluster, types.UID(key.ID)
	m.Finalizers, m.ManagedFields = nil, nil
	m.DeletionTimestamp, m.DeletionGracePeriodSeconds = nil, nil
	if own := c.origin(key); own.name != "" {
		metav1.SetMetaDataLabel(&m, own.name, own.value)
	}
	if c.role == resource.Agent || dataTypeOf(&workv1.ManifestWork{ObjectMeta: m}) != key.DataType {
		metav1.SetMetaDataAnnotation(&m, manifestwork.DataTypeAnnotation, string(key.DataType))
	}
	return m
}

// birth is for works whose source does not say when it made them.
func (c codec) birth(m *metav1.ObjectMeta, at time.Time) {
	if m.CreationTimestamp.IsZero() && !at.IsZero() {
		m.CreationTimestamp = metav1.NewTime(at.Truncate(time.Second))
	}
}

func (c codec) deletion(m *metav1.ObjectMeta, at time.Time) {
	if !at.IsZero() {
		deleted, none := metav1.NewTime(at.Truncate(time.Second)), int64(0)
		m.DeletionTimestamp, m.DeletionGracePeriodSeconds = &deleted, &none
	}
}

// finalizers are the app's own, and the one by which source and agent agree on
// a deletion: a source shows it once an agent has answered, as the OCM SDK does.
func (c codec) finalizers(rec *store.Record, local manifestwork.Local) []string {
	deleting := !rec.Deleting.IsZero()
	if c.role == resource.Agent {
		return local.AgentFinalizers(deleting)
	}
	asked := rec.HasStatus || deleting
	if asked && rec.Confirmed.IsZero() {
		return append(slices.Clone(local.Finalizers), manifestwork.CleanupFinalizer)
	}
	return local.Finalizers
}

// last is what is known of a work that is gone: its metadata, and not more.
func (c codec) last(e store.LogEntry, name string) *workv1.ManifestWork {
	w := &workv1.ManifestWork{TypeMeta: metav1.TypeMeta{APIVersion: groupVersion.String(), Kind: workKind.Kind}}
	w.ObjectMeta = c.declared(e.Key, e.Last.Metadata, name)
	c.birth(&w.ObjectMeta, e.Last.Born)
	c.deletion(&w.ObjectMeta, e.Last.Deleting)
	w.Generation, w.ResourceVersion = e.Last.Version, e.Revision.String()
	return w
}

// kept is the metadata that a source keeps of a work: the engine completes it.
func kept(w *workv1.ManifestWork) ([]byte, error) {
	m := w.ObjectMeta
	m.ManagedFields, m.Finalizers = nil, nil
	return json.Marshal(m)
}

// local is what this side keeps for itself.
func (c codec) local(w *workv1.ManifestWork) (local manifestwork.Local, err error) {
	local.Finalizers = slices.DeleteFunc(slices.Clone(w.Finalizers), func(f string) bool {
		return c.role == resource.Source && f == manifestwork.CleanupFinalizer
	})
	if len(w.ManagedFields) > 0 {
		local.ManagedFields, err = json.Marshal(w.ManagedFields)
	}
	return local, err
}

// dataTypeOf is the data type that a source makes a new work of.
func dataTypeOf(w *workv1.ManifestWork) resource.DataType {
	return resource.DataType(cmp.Or(w.Annotations[manifestwork.DataTypeAnnotation], string(manifestwork.Bundles)))
}
