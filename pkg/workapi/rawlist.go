package workapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/storage"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/store"
)

// A list of many works is put together from the bytes in the store when the
// answer is plain JSON: taking them apart into Go types and encoding these again
// would take three times as long.

type rawWanted struct{}

// wantRaw marks a request whose answer is plain JSON.
func wantRaw(r *http.Request) *http.Request {
	if r.Method != http.MethodGet || !plainJSON(r.Header.Get("Accept")) || r.URL.Query().Has("pretty") {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), rawWanted{}, true))
}

// plainJSON tells whether an Accept header puts JSON first, as objects and not
// as tables or parts.
func plainJSON(accept string) bool {
	first, _, _ := strings.Cut(accept, ",")
	switch strings.TrimSpace(first) {
	case "", "*/*", "application/json":
		return true
	}
	return false
}

// List is that of the registry, or the raw one.
func (r workREST) List(ctx context.Context, options *metainternalversion.ListOptions) (apiruntime.Object, error) {
	if ctx.Value(rawWanted{}) == nil || options == nil {
		return r.Store.List(ctx, options)
	}
	label, field := labels.Everything(), fields.Everything()
	if options.LabelSelector != nil {
		label = options.LabelSelector
	}
	if options.FieldSelector != nil {
		field = options.FieldSelector
	}
	predicate := r.PredicateFunc(label, field)
	if _, one := predicate.MatchesSingle(); one {
		return r.Store.List(ctx, options)
	}
	predicate.Limit, predicate.Continue = options.Limit, options.Continue
	return r.backend.rawList(ctx, place{namespace: request.NamespaceValue(ctx)}, storage.ListOptions{
		ResourceVersion: options.ResourceVersion, ResourceVersionMatch: options.ResourceVersionMatch, Predicate: predicate, Recursive: true,
	})
}

// rawList is a list whose items are still records, and may still be on their way.
type rawList struct {
	workv1.ManifestWorkList
	storage *workStorage
	parts   *parts
}

var _ apiruntime.CacheableObject = (*rawList)(nil)

func (s *workStorage) rawList(ctx context.Context, p place, opts storage.ListOptions) (*rawList, error) {
	if err := s.checkVersion(opts); err != nil {
		return nil, err
	}
	list := &rawList{storage: s}
	if opts.Predicate.Limit > 0 || opts.Predicate.Continue != "" {
		page, err := s.page(ctx, p, opts)
		if err != nil {
			return nil, toAPI(err, "")
		}
		list.parts, list.ListMeta = onePart(page.records), page.meta()
		return list, nil
	}
	o, since, err := s.first(ctx, p, opts.Predicate)
	if err != nil {
		return nil, toAPI(err, "")
	}
	list.parts, list.ResourceVersion = scan(ctx, s.store, o), since.String()
	return list, nil
}

// GetObject is the list with its items as Go types. It has no other way to tell
// that they could not be read than to break the answer off.
func (l *rawList) GetObject() apiruntime.Object {
	if l.parts != nil {
		var records []*store.Record
		for part := range l.parts.found {
			records = append(records, part...)
		}
		if err := l.parts.err; err != nil {
			panic(fmt.Errorf("list works: %w", err))
		}
		l.Items, l.parts = l.storage.decodeAll(records), nil
	}
	list := l.ManifestWorkList
	return &list
}

// DeepCopyObject is a list of its own.
func (l *rawList) DeepCopyObject() apiruntime.Object { return l.GetObject().DeepCopyObject() }

// CacheEncode writes the list as JSON; nothing is cached.
func (l *rawList) CacheEncode(id apiruntime.Identifier, encode func(apiruntime.Object, io.Writer) error, w io.Writer) error {
	if l.parts == nil || !strings.Contains(string(id), `\"name\":\"json\"`) {
		return encode(l.GetObject(), w)
	}
	head, err := json.Marshal(&l.ListMeta)
	if err != nil {
		return fmt.Errorf("encode a list: %w", err)
	}
	b := fmt.Appendf(nil, `{"kind":"ManifestWorkList","apiVersion":%q,"metadata":%s,"items":[`, groupVersion.String(), head)
	items, sent := 0, false
	for part := range l.parts.found {
		for _, rec := range part {
			if items++; items > 1 {
				b = append(b, ',')
			}
			b = l.storage.appendWork(b, rec)
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		b, sent = b[:0], true
	}
	switch {
	case l.parts.err == nil:
		_, err := w.Write(append(b, "]}\n"...))
		return err
	case !sent:
		return toAPI(l.parts.err, "")
	}
	l.storage.hub.log.Error("a list of works was broken off", "error", l.parts.err)
	panic(http.ErrAbortHandler) // half of it is with the client, as a success
}

// appendWork is a work as JSON. What is not of the usual form goes through the
// Go types, which leave out what no client could read.
func (s *workStorage) appendWork(b []byte, rec *store.Record) []byte {
	e := s.hub.entry(rec.Key)
	name := s.hub.name(rec)
	if s.readable(rec, e) {
		if raw, ok := appendRaw(b, s.codec, rec, name); ok {
			return raw
		}
	}
	work, err := json.Marshal(s.codec.work(rec, name))
	if err != nil {
		work = []byte("null")
	}
	return append(b, work...)
}

// readable tells whether the status of a record is one. Reading it to find out is
// remembered until it changes.
func (s *workStorage) readable(rec *store.Record, e *entry) bool {
	if !rec.HasStatus || e != nil && e.readable.Load() == uint64(rec.ObjectRevision) {
		return true
	}
	if _, err := decodeStatus(rec.Key.DataType, rec.Status); err != nil {
		return false
	}
	if e != nil {
		e.readable.Store(uint64(rec.ObjectRevision))
	}
	return true
}
