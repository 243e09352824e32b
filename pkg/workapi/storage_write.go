package workapi

import (
	"context"
	"errors"
	"fmt"

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
	size, most := 0, s.maxBytes()
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
