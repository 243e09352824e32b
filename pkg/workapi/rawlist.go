package workapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"

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

// rawList is a list whose items are still records.
type rawList struct {
	workv1.ManifestWorkList
	storage *workStorage
	records []*store.Record
}

var _ apiruntime.CacheableObject = (*rawList)(nil)

func (s *workStorage) rawList(ctx context.Context, p place, opts storage.ListOptions) (*rawList, error) {
	if err := s.checkVersion(opts); err != nil {
		return nil, err
	}
	page, err := s.page(ctx, p, opts)
	if err != nil {
		return nil, toAPI(err, "")
	}
	list := &rawList{storage: s, records: page.records}
	list.ListMeta = page.meta()
	return list, nil
}

// GetObject is the list with its items as Go types.
func (l *rawList) GetObject() apiruntime.Object {
	list := l.ManifestWorkList
	list.Items = l.storage.decodeAll(l.records)
	return &list
}

// DeepCopyObject is a list of its own.
func (l *rawList) DeepCopyObject() apiruntime.Object { return l.GetObject() }

// rawChunk is how many works one processor puts together at a time.
const rawChunk = 128

// CacheEncode writes the list as JSON; nothing is cached.
func (l *rawList) CacheEncode(id apiruntime.Identifier, encode func(apiruntime.Object, io.Writer) error, w io.Writer) error {
	if !strings.Contains(string(id), `\"name\":\"json\"`) {
		return encode(l.GetObject(), w)
	}
	head, err := json.Marshal(&l.ListMeta)
	if err != nil {
		return fmt.Errorf("encode a list: %w", err)
	}
	if _, err := fmt.Fprintf(w, `{"kind":"ManifestWorkList","apiVersion":%q,"metadata":%s,"items":[`, groupVersion.String(), head); err != nil {
		return err
	}
	if err := l.writeItems(w); err != nil {
		return err
	}
	_, err = io.WriteString(w, "]}\n")
	return err
}

// writeItems puts chunks together side by side and writes them in order.
func (l *rawList) writeItems(w io.Writer) error {
	workers := runtime.GOMAXPROCS(0)
	buffers := make([][]byte, workers)
	for at := 0; at < len(l.records); at += workers * rawChunk {
		var all sync.WaitGroup
		for i := range workers {
			from, to := min(at+i*rawChunk, len(l.records)), min(at+(i+1)*rawChunk, len(l.records))
			all.Go(func() { buffers[i] = l.appendItems(buffers[i][:0], from, to) })
		}
		all.Wait()
		for _, buffer := range buffers {
			if _, err := w.Write(buffer); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *rawList) appendItems(b []byte, from, to int) []byte {
	for i := from; i < to; i++ {
		if i > 0 {
			b = append(b, ',')
		}
		b = l.storage.appendWork(b, l.records[i])
	}
	return b
}

// appendWork is a work as JSON. What is not of the usual form goes through the
// Go types, which leave out what no client could read.
func (s *workStorage) appendWork(b []byte, rec *store.Record) []byte {
	name := s.hub.name(rec)
	if s.isWhole(rec, name) {
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

// isWhole tells whether the payloads of a record are those of a work. Reading
// them to find out is remembered until they change.
func (s *workStorage) isWhole(rec *store.Record, name string) bool {
	e := s.hub.entry(rec.Key)
	if e != nil && e.whole.Load() == uint64(rec.ObjectRevision) {
		return true
	}
	_, whole := s.codec.read(rec, name)
	if whole && e != nil {
		e.whole.Store(uint64(rec.ObjectRevision))
	}
	return whole
}
