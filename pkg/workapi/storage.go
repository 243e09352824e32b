package workapi

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// storagePrefix is what the keys of k8s.io/apiserver begin with:
// /manifestworks/<namespace>/<name>.
const storagePrefix = "/manifestworks"

// works as k8s.io/apiserver wants a storage to be.
type workStorage struct {
	id        string // of the source
	codec     codec
	store     *store.Store
	engine    Engine
	hub       *hub
	maxBytes  func() int64 // limits.maxResourceBytes
	versioner storage.APIObjectVersioner
}

var _ storage.Interface = (*workStorage)(nil)

// splitKey is the place of a key; either part may be empty in the key of a list.
func splitKey(key string) place {
	rest := strings.Trim(strings.TrimPrefix(key, storagePrefix), "/")
	namespace, name, _ := strings.Cut(rest, "/")
	return place{namespace, name}
}

// find is the record of a work, nil if there is none.
func (s *workStorage) find(ctx context.Context, p place) (*store.Record, error) {
	if err := s.hub.reach(ctx); err != nil {
		return nil, err
	}
	key, ok := s.hub.find(p)
	if !ok {
		return nil, nil
	}
	rec, err := s.store.Get(key)
	switch {
	case err != nil && resource.CodeOf(err) == resource.NotFound:
		return nil, nil
	case err != nil:
		return nil, err
	case !rec.Visible():
		return nil, nil
	}
	return rec, nil
}

// Versioner reads and writes resourceVersions.
func (s *workStorage) Versioner() storage.Versioner { return s.versioner }

// Get reads the newest state.
func (s *workStorage) Get(ctx context.Context, key string, opts storage.GetOptions, out runtime.Object) error {
	if err := s.notNewer(opts.ResourceVersion); err != nil {
		return err
	}
	p := splitKey(key)
	rec, err := s.find(ctx, p)
	switch {
	case err != nil:
		return toAPI(err, p.name)
	case rec == nil && opts.IgnoreNotFound:
		return runtime.SetZeroValue(out)
	case rec == nil:
		return storage.NewKeyNotFoundError(key, 0)
	}
	*out.(*workv1.ManifestWork) = *s.codec.work(rec, p.name)
	return nil
}

// notNewer refuses a resourceVersion that this store has not reached: it is of
// another store, or of one that was put back from a backup.
func (s *workStorage) notNewer(version string) error {
	wanted, err := s.versioner.ParseResourceVersion(version)
	if err != nil {
		return apierrors.NewBadRequest(fmt.Sprintf("resourceVersion: %v", err))
	}
	if current := uint64(s.store.Revision()); wanted > current {
		return storage.NewTooLargeResourceVersionError(wanted, current, 1)
	}
	return nil
}

// Stats counts the works.
func (s *workStorage) Stats(context.Context) (storage.Stats, error) {
	s.hub.mu.RLock()
	defer s.hub.mu.RUnlock()
	return storage.Stats{ObjectCount: int64(len(s.hub.keys))}, nil
}

// ReadinessCheck is nil: the server begins when the index is read.
func (s *workStorage) ReadinessCheck() error { return nil }

// RequestWatchProgress does nothing: watchers are never behind the store.
func (s *workStorage) RequestWatchProgress(context.Context) error { return nil }

// GetCurrentResourceVersion is the store's.
func (s *workStorage) GetCurrentResourceVersion(context.Context) (uint64, error) {
	return uint64(s.store.Revision()), nil
}

// EnableResourceSizeEstimation does nothing: nobody asks for estimates.
func (s *workStorage) EnableResourceSizeEstimation(storage.KeysFunc) error { return nil }

// CompactRevision is unknown.
func (s *workStorage) CompactRevision() int64 { return 0 }

// toAPI is the one table from errors of store and engine to those of Kubernetes.
func toAPI(err error, name string) error {
	var e *resource.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case resource.NotFound:
		return apierrors.NewNotFound(works, name)
	case resource.Conflict, resource.DeletingCode:
		return apierrors.NewConflict(works, name, e)
	case resource.InvalidArgument:
		return apierrors.NewBadRequest(e.Error())
	case resource.Forbidden:
		return apierrors.NewForbidden(works, name, e)
	case resource.TooLarge:
		return apierrors.NewRequestEntityTooLargeError(e.Error() + adviceOn(e))
	case resource.Expired:
		return apierrors.NewResourceExpired(e.Error())
	case resource.Unavailable, resource.DiskFull:
		return apierrors.NewServiceUnavailable(e.Error())
	}
	return apierrors.NewInternalError(e)
}

// adviceOn is for who meets the bound of metadata: most of it is kubectl's copy of
// the work.
func adviceOn(e *resource.Error) string {
	if len(e.Fields) == 1 && e.Fields[0].Pointer == "/metadata" {
		return ": use kubectl apply --server-side, which keeps no copy of the work in an annotation"
	}
	return ""
}

// keyOf is the key of a new work at a source.
func (s *workStorage) keyOf(w *workv1.ManifestWork) resource.Key {
	return resource.Key{DataType: dataTypeOf(w), Source: s.id, Cluster: w.Namespace,
		ID: manifestwork.ID(s.id, w.Namespace, w.Name)}
}
