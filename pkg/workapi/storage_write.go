package workapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// Create declares a work at a source.
func (s *workStorage) Create(ctx context.Context, key string, obj, out runtime.Object, _ uint64) error {
	w := obj.(*workv1.ManifestWork)
	if rec, err := s.find(ctx, splitKey(key)); err != nil || rec != nil {
		if err != nil {
			return toAPI(err, w.Name)
		}
		return storage.NewKeyExistsError(key, int64(rec.ObjectRevision))
	}
	change := manifestwork.Change{Key: s.keyOf(w)}
	if err := s.fill(&change, w); err != nil {
		return err
	}
	rec, err := s.commit(ctx, change)
	if resource.CodeOf(err) == resource.Conflict && err != nil {
		return storage.NewKeyExistsError(key, 0)
	}
	return s.answer(rec, err, w.Name, out)
}

// commit lets the engine make a change, within the bounds that the other view
// has too.
func (s *workStorage) commit(ctx context.Context, change manifestwork.Change) (*store.Record, error) {
	size, most := 0, s.most()
	for _, part := range []*[]byte{change.Spec, change.Metadata, change.Status} { // status never beside the others
		if part != nil {
			size += len(*part)
		}
	}
	if most > 0 && int64(size) > most {
		return nil, resource.Errorf(resource.TooLarge, "the work has %d bytes, more than the %d of limits.maxResourceBytes: make it smaller, or raise the limit", size, most)
	}
	return s.engine.ChangeWork(ctx, change)
}

// fill writes all parts that a source declares.
func (s *workStorage) fill(change *manifestwork.Change, w *workv1.ManifestWork) error {
	spec, err := encodeSpec(change.Key.DataType, &w.Spec)
	if err != nil {
		return err
	}
	metadata, err := kept(w)
	if err != nil {
		return err
	}
	local, err := s.codec.local(w)
	change.Spec, change.Metadata, change.Local = &spec, &metadata, &local
	return err
}

// answer puts the record after a write into out.
func (s *workStorage) answer(rec *store.Record, err error, name string, out runtime.Object) error {
	if err != nil {
		return toAPI(err, name)
	}
	if rec != nil && out != nil {
		*out.(*workv1.ManifestWork) = *s.codec.work(rec, name)
	}
	return nil
}

// GuaranteedUpdate makes the change again of what others have changed meanwhile.
func (s *workStorage) GuaranteedUpdate(ctx context.Context, key string, dest runtime.Object, ignoreNotFound bool,
	preconditions *storage.Preconditions, tryUpdate storage.UpdateFunc, _ runtime.Object) error {
	for {
		again, err := s.update(ctx, key, dest, ignoreNotFound, preconditions, tryUpdate)
		if !again {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (s *workStorage) update(ctx context.Context, key string, dest runtime.Object, ignoreNotFound bool,
	preconditions *storage.Preconditions, tryUpdate storage.UpdateFunc) (again bool, err error) {
	p := splitKey(key)
	rec, err := s.find(ctx, p)
	switch {
	case err != nil:
		return false, toAPI(err, p.name)
	case rec == nil && ignoreNotFound:
		return s.createByUpdate(ctx, key, dest, preconditions, tryUpdate)
	case rec == nil:
		return false, storage.NewKeyNotFoundError(key, 0)
	}
	current := s.codec.work(rec, p.name)
	if err := preconditions.Check(key, current); err != nil {
		return false, err
	}
	updated, _, err := tryUpdate(current.DeepCopy(), storage.ResponseMeta{ResourceVersion: uint64(rec.ObjectRevision)})
	if err != nil {
		return false, err
	}
	next := updated.(*workv1.ManifestWork)
	change, err := s.changeOf(rec, current, next)
	if err != nil {
		return false, err
	}
	if change == nil {
		*dest.(*workv1.ManifestWork) = *current
		return false, nil
	}
	after, err := s.commit(ctx, *change)
	if s.stale(rec, err) {
		return true, nil
	}
	if after == nil && err == nil { // it was the last that held it
		*dest.(*workv1.ManifestWork) = *next
	}
	return false, s.answer(after, err, p.name, dest)
}

// createByUpdate is for server-side apply, which makes what is not there.
func (s *workStorage) createByUpdate(ctx context.Context, key string, dest runtime.Object,
	preconditions *storage.Preconditions, tryUpdate storage.UpdateFunc) (again bool, err error) {
	none := &workv1.ManifestWork{}
	if err := preconditions.Check(key, none); err != nil {
		return false, err
	}
	made, _, err := tryUpdate(none, storage.ResponseMeta{})
	if err != nil {
		return false, err
	}
	err = s.Create(ctx, key, made, dest, 0)
	return storage.IsExist(err), err
}

// stale tells whether an error is that the work has changed since it was read:
// anything else would be so again.
func (s *workStorage) stale(rec *store.Record, err error) bool {
	var e *resource.Error
	if !errors.As(err, &e) || e.Code != resource.Conflict && e.Code != resource.NotFound {
		return false
	}
	m := s.store.Meta(rec.Key)
	return !m.Visible() || m.ObjectRevision != rec.ObjectRevision
}

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

// Delete is called for a work without finalizers, and when its last one was
// taken away. At a source it asks for deletion, or forgets what is being deleted;
// at an agent it confirms.
func (s *workStorage) Delete(ctx context.Context, key string, out runtime.Object, preconditions *storage.Preconditions,
	validate storage.ValidateObjectFunc, _ runtime.Object, _ storage.DeleteOptions) error {
	p := splitKey(key)
	for {
		rec, err := s.find(ctx, p)
		if err != nil {
			return toAPI(err, p.name)
		}
		if rec == nil {
			return storage.NewKeyNotFoundError(key, 0)
		}
		current := s.codec.work(rec, p.name)
		if err := errors.Join(preconditions.Check(key, current), validate(ctx, current)); err != nil {
			return err
		}
		after, err := s.commit(ctx, s.end(rec, current))
		if s.stale(rec, err) && ctx.Err() == nil {
			continue
		}
		*out.(*workv1.ManifestWork) = *current
		if err != nil {
			err = fmt.Errorf("delete: %w", err)
		}
		return s.answer(after, err, p.name, out)
	}
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
