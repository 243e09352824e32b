package workapi

import (
	"context"
	"encoding/base64"
	"runtime"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// GetList reads a snapshot: all pages of a list are of one.
func (s *workStorage) GetList(ctx context.Context, key string, opts storage.ListOptions, out apiruntime.Object) error {
	list := out.(*workv1.ManifestWorkList)
	if !opts.Recursive {
		return s.listOne(ctx, key, opts, list)
	}
	if err := s.checkVersion(opts); err != nil {
		return err
	}
	page, err := s.page(ctx, splitKey(key), opts)
	if err != nil {
		return toAPI(err, "")
	}
	list.Items = s.decodeAll(page.records)
	list.ListMeta = page.meta()
	return nil
}

// listOne is a list of the work that the key names, if it is selected.
func (s *workStorage) listOne(ctx context.Context, key string, opts storage.ListOptions, list *workv1.ManifestWorkList) error {
	var w workv1.ManifestWork
	list.Items = []workv1.ManifestWork{}
	list.ResourceVersion = s.store.Revision().String()
	err := s.Get(ctx, key, storage.GetOptions{ResourceVersion: opts.ResourceVersion}, &w)
	if storage.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if ok, err := opts.Predicate.Matches(&w); err != nil || !ok {
		return err
	}
	list.Items = append(list.Items, w)
	return nil
}

// checkVersion: what is listed is always the newest, so only an exact version
// that is not the newest cannot be served.
func (s *workStorage) checkVersion(opts storage.ListOptions) error {
	if opts.Predicate.Continue != "" {
		return nil
	}
	if err := s.notNewer(opts.ResourceVersion); err != nil {
		return err
	}
	if opts.ResourceVersionMatch == metav1.ResourceVersionMatchExact && opts.ResourceVersion != s.store.Revision().String() {
		return apierrors.NewResourceExpired("lists of the past are not kept: list without resourceVersionMatch=Exact")
	}
	return nil
}

// page is a part of a list.
type page struct {
	records []*store.Record
	since   resource.Revision // a watch from here on misses nothing
	next    string            // token of the next page; "" = this is the last
}

func (p *page) meta() metav1.ListMeta {
	return metav1.ListMeta{ResourceVersion: p.since.String(), Continue: p.next}
}

// ofWorks keeps tokens of other lists of the store out.
const ofWorks = "manifestworks"

// page reads one.
func (s *workStorage) page(ctx context.Context, p place, opts storage.ListOptions) (_ *page, err error) {
	var o store.ListOptions
	var since resource.Revision
	if opts.Predicate.Continue == "" {
		o, since, err = s.first(ctx, p, opts.Predicate)
	} else {
		o.Matches = ofWorks
		since, o.Continue, err = decodeToken(opts.Predicate.Continue)
	}
	if err != nil {
		return nil, err
	}
	o.Limit = int(opts.Predicate.Limit)
	found, err := s.store.List(o)
	if err != nil {
		return nil, err
	}
	return &page{records: found.Records, since: since, next: encodeToken(since, found.Continue)}, nil
}

// first is what a new list is of. That is selected by the index, and is as the
// store has it some changes later: so the version of the list is that of the
// index, and a watch from there tells what the list has left out, and some of it
// again.
func (s *workStorage) first(ctx context.Context, p place, predicate storage.SelectionPredicate) (o store.ListOptions, since resource.Revision, err error) {
	if err := s.hub.reach(ctx); err != nil {
		return o, 0, err
	}
	o.Matches, o.Cluster = ofWorks, p.namespace
	o.Match, o.Sort, since = s.hub.selection(predicate)
	return o, since, nil
}

// selection is what a predicate selects of the works in the index, how they are
// sorted in lists, and up to where the index goes.
func (h *hub) selection(predicate storage.SelectionPredicate) (match func(*store.Meta) bool, sort func([]*store.Meta), at resource.Revision) {
	places := make(map[resource.Key]place)
	h.mu.RLock()
	at = h.cursor
	for key, e := range h.keys {
		if predicate.Empty() || predicate.MatchesObjectAttributes(e.labels, fieldsOf(e.place)) {
			places[key] = e.place
		}
	}
	h.mu.RUnlock()
	match = func(m *store.Meta) bool {
		if !manifestwork.Is(m.Key.DataType) {
			return false
		}
		_, ok := places[m.Key]
		return ok
	}
	return match, func(metas []*store.Meta) { sortByPlace(metas, places) }, at
}

// sortByPlace sorts by namespace and name. It looks each place up once.
func sortByPlace(metas []*store.Meta, places map[resource.Key]place) {
	type placed struct {
		place
		meta *store.Meta
	}
	all := make([]placed, len(metas))
	for i, m := range metas {
		all[i] = placed{places[m.Key], m}
	}
	slices.SortFunc(all, func(a, b placed) int { return a.compare(b.place) })
	for i, p := range all {
		metas[i] = p.meta
	}
}

func fieldsOf(p place) fields.Set {
	return fields.Set{"metadata.namespace": p.namespace, "metadata.name": p.name}
}

// decodeAll uses all processors: a list of many works is the one call that
// computes for long.
func (s *workStorage) decodeAll(records []*store.Record) []workv1.ManifestWork {
	items := make([]workv1.ManifestWork, len(records))
	workers := min(runtime.GOMAXPROCS(0), 1+len(records)/64)
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for i := worker; i < len(records); i += workers {
				items[i] = *s.codec.work(records[i], s.hub.name(records[i]))
				records[i] = nil
			}
		})
	}
	all.Wait()
	return items
}

// encodeToken is a continue token for clients of Kubernetes: the version of the
// list, which all its pages have, and the store's token.
func encodeToken(since resource.Revision, token string) string {
	if token == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(since.String() + "/" + token))
}

func decodeToken(text string) (since resource.Revision, token string, err error) {
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return 0, "", apierrors.NewBadRequest("continue is not a token of this server")
	}
	version, token, _ := strings.Cut(string(decoded), "/")
	if since, err = resource.ParseRevision(version); err != nil {
		return 0, "", apierrors.NewResourceExpired("the continue token is unknown or has lapsed: start the list again")
	}
	return since, token, nil
}
