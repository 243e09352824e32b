package workapi

import (
	"bytes"
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// changeOf is what an update changes; nil is nothing.
func (s *workStorage) changeOf(rec *store.Record, current, next *workv1.ManifestWork) (*manifestwork.Change, error) {
	change := &manifestwork.Change{Key: rec.Key, At: rec.ObjectRevision}
	if next.DeletionTimestamp != nil && current.DeletionTimestamp == nil {
		change.Delete = true
		return change, nil
	}
	var err error
	if s.codec.role == resource.Source {
		err = s.sourceChange(change, current, next)
	} else {
		err = s.agentChange(change, current, next)
	}
	if err != nil {
		return nil, err
	}
	if err := s.localChange(change, current, next); err != nil {
		return nil, err
	}
	if change.Spec == nil && change.Metadata == nil && change.Status == nil && change.Local == nil && !change.Delete {
		return nil, nil
	}
	return change, nil
}

// sourceChange declares anew.
func (s *workStorage) sourceChange(change *manifestwork.Change, current, next *workv1.ManifestWork) error {
	if !sameSpec(current.Spec, next.Spec) {
		spec, err := encodeSpec(change.Key.DataType, &next.Spec)
		if err != nil {
			return err
		}
		change.Spec = &spec
	}
	if !sameDeclared(current, next) {
		metadata, err := kept(next)
		if err != nil {
			return err
		}
		change.Metadata = &metadata
	}
	return nil
}

func hasCleanup(w *workv1.ManifestWork) bool {
	for _, f := range w.Finalizers {
		if f == manifestwork.CleanupFinalizer {
			return true
		}
	}
	return false
}

// sameSpec compares the bytes of manifests as such: reflection takes them one by
// one, which would be a quarter of the time of a write.
func sameSpec(a, b workv1.ManifestWorkSpec) bool {
	same := slices.EqualFunc(a.Workload.Manifests, b.Workload.Manifests, func(x, y workv1.Manifest) bool {
		return x.Object == nil && y.Object == nil && bytes.Equal(x.Raw, y.Raw)
	})
	if same {
		a.Workload.Manifests, b.Workload.Manifests = nil, nil
	}
	return equality.Semantic.DeepEqual(a, b)
}

// sameDeclared compares what a source declares in metadata.
func sameDeclared(a, b *workv1.ManifestWork) bool {
	return equality.Semantic.DeepEqual(a.Labels, b.Labels) && equality.Semantic.DeepEqual(a.Annotations, b.Annotations) &&
		equality.Semantic.DeepEqual(a.OwnerReferences, b.OwnerReferences)
}

// agentChange reports a status. All else but finalizers is the source's.
func (s *workStorage) agentChange(change *manifestwork.Change, current, next *workv1.ManifestWork) error {
	if !sameSpec(current.Spec, next.Spec) || !sameDeclared(current, next) {
		return apierrors.NewForbidden(works, current.Name, errors.New("spec, labels, annotations and owners of a work are its source's: an agent changes status and finalizers"))
	}
	if equality.Semantic.DeepEqual(current.Status, next.Status) {
		return nil
	}
	status, err := encodeStatus(change.Key.DataType, &next.Status)
	change.Status = &status
	return err
}

func (s *workStorage) localChange(change *manifestwork.Change, current, next *workv1.ManifestWork) error {
	if equality.Semantic.DeepEqual(current.Finalizers, next.Finalizers) && equality.Semantic.DeepEqual(current.ManagedFields, next.ManagedFields) {
		return nil
	}
	local, err := s.codec.local(next)
	change.Local = &local
	return err
}

// end is the change by which a work goes. Taking the finalizer away that waits for
// the agent is how a source forgets a work whose cluster is no more; if the agent
// has confirmed, there is only the app's own to take away.
func (s *workStorage) end(rec *store.Record, current *workv1.ManifestWork) manifestwork.Change {
	change := manifestwork.Change{Key: rec.Key, At: rec.ObjectRevision}
	forgets := s.codec.role == resource.Source && current.DeletionTimestamp != nil
	if forgets && !hasCleanup(current) {
		change.Local = &manifestwork.Local{}
		return change
	}
	change.Delete, change.Force = true, forgets
	return change
}
