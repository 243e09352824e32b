package workapi

import (
	"context"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Watch follows the changes from a resourceVersion on. Without one, or with "0",
// it begins with all that there is.
func (s *workStorage) Watch(ctx context.Context, key string, opts storage.ListOptions) (watch.Interface, error) {
	if err := s.notNewer(opts.ResourceVersion); err != nil {
		return nil, err
	}
	if err := s.hub.reach(ctx); err != nil {
		return nil, err
	}
	since, err := s.versioner.ParseResourceVersion(opts.ResourceVersion)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	w := &follower{storage: s, at: splitKey(key), predicate: opts.Predicate, since: resource.Revision(since)}
	wantsAll := opts.SendInitialEvents != nil && *opts.SendInitialEvents
	w.initial = wantsAll || since == 0 && opts.SendInitialEvents == nil
	w.marksEnd = wantsAll && opts.Predicate.AllowWatchBookmarks
	if since == 0 && !w.initial {
		w.since = s.store.Revision()
	}
	if !w.initial {
		if _, err := s.store.Changes(w.since, 1); err != nil {
			return nil, toAPI(err, "")
		}
	}
	w.start(ctx)
	return w, nil
}

// selected are the works in the index that a watch begins with, in the order of
// lists, and up to where the index goes.
func (s *workStorage) selected(ctx context.Context, p place, predicate storage.SelectionPredicate) (found []*entry, since resource.Revision, err error) {
	if err := s.hub.reach(ctx); err != nil {
		return nil, 0, err
	}
	s.hub.mu.RLock()
	since = s.hub.cursor
	for _, e := range s.hub.keys {
		if p.covers(e.place) && predicate.MatchesObjectAttributes(e.labels, fieldsOf(e.place)) {
			found = append(found, e)
		}
	}
	s.hub.mu.RUnlock()
	slices.SortFunc(found, func(a, b *entry) int { return a.compare(b.place) })
	return found, since, nil
}

const (
	followBatch   = 128
	bookmarkEvery = 30 * time.Second
)

// bookmark carries nothing but a resourceVersion.
func bookmark(at resource.Revision) *workv1.ManifestWork {
	w := &workv1.ManifestWork{}
	w.APIVersion, w.Kind, w.ResourceVersion = groupVersion.String(), workKind.Kind, at.String()
	return w
}

// failure is the event by which a watch tells why it ends.
func failure(err error) watch.Event {
	status, ok := toAPI(err, "").(apierrors.APIStatus)
	if !ok {
		status = apierrors.NewInternalError(err)
	}
	told := status.Status()
	return watch.Event{Type: watch.Error, Object: runtime.Object(&told)}
}
