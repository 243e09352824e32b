package workapi

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"weak"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// place is where a work is for Kubernetes clients.
type place struct{ namespace, name string }

// covers tells whether a place is that of a work, or of a namespace or of all and
// the other is in it.
func (p place) covers(other place) bool {
	return (p.namespace == "" || p.namespace == other.namespace) && (p.name == "" || p.name == other.name)
}

// compare is the order of lists.
func (p place) compare(other place) int {
	return cmp.Or(strings.Compare(p.namespace, other.namespace), strings.Compare(p.name, other.name))
}

// entry is what is kept in memory of a work.
type entry struct {
	key resource.Key
	place
	labels   labels.Set
	revision resource.Revision // of the object that labels are of
	created  resource.Revision // of its life
	last     weak.Pointer[shared]
	readable atomic.Uint64 // object revision whose status could be read; 0 = it is not known
}

// hub follows the changes of the store, once for all watchers. It keeps an index
// of the works by name, with their labels, and the last changes.
type hub struct {
	store  *store.Store
	codec  codec
	engine Engine
	log    *slog.Logger

	mu        sync.RWMutex
	places    map[place]*entry
	keys      map[resource.Key]*entry
	aliases   map[resource.Key]string            // that were given and are to be stored
	inherited map[resource.Key]resource.Revision // see loadInherited
	cursor    resource.Revision                  // up to where the store was followed
	recent    ring
	advanced  chan struct{} // closed when cursor moves
}

func newHub(o *Options) *hub {
	h := &hub{store: o.Store, codec: codec{o.Role}, engine: o.Engine, log: o.Log}
	return h.empty()
}

// empty is a hub that has read nothing.
func (h *hub) empty() *hub {
	return &hub{store: h.store, codec: h.codec, engine: h.engine, log: h.log,
		places: make(map[place]*entry), keys: make(map[resource.Key]*entry),
		aliases: make(map[resource.Key]string), inherited: make(map[resource.Key]resource.Revision),
		advanced: make(chan struct{})}
}

// The bounds of what the hub reads at a time.
const (
	loadPage  = 500
	followMax = 256
)

// load reads the index of all works that there are. It takes the place of the one
// before at once: nobody sees a part of it. A snapshot that the store took away
// for those of other readers is taken once more.
func (h *hub) load(ctx context.Context) error {
	for {
		fresh, err := h.index(ctx)
		switch {
		case err == nil:
			h.replace(fresh)
			return nil
		case resource.CodeOf(err) != resource.Expired:
			return err
		}
	}
}

// index is a hub that holds the works of a snapshot, those that came first first.
func (h *hub) index(ctx context.Context) (*hub, error) {
	fresh := h.empty()
	o := store.ListOptions{Match: func(m *store.Meta) bool { return manifestwork.Is(m.Key.DataType) }, Limit: loadPage,
		Sort: func(metas []*store.Meta) {
			slices.SortFunc(metas, func(a, b *store.Meta) int { return cmp.Compare(a.CreatedRevision, b.CreatedRevision) })
		}}
	for {
		page, err := h.store.List(o)
		if err != nil {
			return nil, err
		}
		for _, rec := range page.Records {
			fresh.put(rec)
		}
		fresh.cursor = page.Revision
		if o.Continue = page.Continue; o.Continue == "" {
			break
		}
	}
	return fresh, errors.Join(fresh.keepAliases(ctx), fresh.loadInherited())
}

func (h *hub) replace(fresh *hub) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.places, h.keys, h.inherited = fresh.places, fresh.keys, fresh.inherited
	h.recent.reset(fresh.cursor)
	h.move(fresh.cursor)
}

// move tells those who wait how far the index goes now; h.mu is held.
func (h *hub) move(to resource.Revision) {
	h.cursor = to
	close(h.advanced)
	h.advanced = make(chan struct{})
}

// follow keeps the index up to date until ctx ends. A history that has moved on
// without it is read anew; watchers are told to start again.
func (h *hub) follow(ctx context.Context) error {
	for {
		changed := h.store.Changed()
		entries, through, err := h.store.ChangesOf(h.cursor, followMax, h.wanted)
		switch {
		case resource.CodeOf(err) == resource.Expired && err != nil:
			if err := h.load(ctx); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		if through > h.cursor {
			if err := h.take(ctx, entries, through); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// wanted passes over changes that a newer one of the same work follows, and
// those of how far it has travelled.
func (h *hub) wanted(key resource.Key, kind store.Kind, at resource.Revision) bool {
	return isNews(h.store, key, kind, at)
}

func isNews(s *store.Store, key resource.Key, kind store.Kind, at resource.Revision) bool {
	if !manifestwork.Is(key.DataType) {
		return false
	}
	if kind == store.Deleted {
		return true
	}
	m := s.Meta(key)
	return m.Visible() && m.ObjectRevision == at
}

func (h *hub) take(ctx context.Context, entries []store.LogEntry, through resource.Revision) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range entries {
		if c, ok := h.change(e); ok {
			h.recent.add(c)
		}
	}
	if err := h.keepAliases(ctx); err != nil {
		return err
	}
	h.move(through)
	return nil
}

// change turns an entry of the history into a change for watchers.
func (h *hub) change(e store.LogEntry) (c change, ok bool) {
	if e.Kind == store.Deleted {
		return h.deleted(e)
	}
	if e.Record == nil || e.Record.ObjectRevision != e.Revision {
		return c, false // a newer one follows
	}
	before := h.keys[e.Key]
	c = change{revision: e.Revision, kind: watch.Modified}
	if before == nil {
		c.kind = watch.Added
	} else {
		c.before, c.was = before.labels, before.revision
	}
	now := h.put(e.Record)
	c.place, c.labels = now.place, now.labels
	work, whole := h.codec.read(e.Record, now.name)
	if whole {
		now.readable.Store(uint64(e.Revision))
	}
	c.object = share(work)
	c.object.size = sizeOf(e.Record)
	now.last = weak.Make(c.object)
	return c, true
}

// deleted shows the last state as far as it is still in memory, and the metadata
// at least.
func (h *hub) deleted(e store.LogEntry) (c change, ok bool) {
	known := h.keys[e.Key]
	if known == nil {
		return c, false // made and gone at once: nobody has seen it
	}
	delete(h.keys, e.Key)
	delete(h.places, known.place)
	delete(h.inherited, e.Key)
	gone := share(h.codec.last(e, known.name))
	gone.size = changeOverhead
	if last := known.last.Value(); last != nil {
		gone = share(last.ManifestWork.DeepCopy())
		gone.size = last.size
		gone.ResourceVersion = e.Revision.String()
		h.codec.deletion(&gone.ObjectMeta, e.Last.Deleting)
	}
	return change{revision: e.Revision, kind: watch.Deleted, place: known.place,
		labels: known.labels, before: known.labels, was: known.revision, object: gone}, true
}

// put indexes a record.
func (h *hub) put(rec *store.Record) *entry {
	e := h.keys[rec.Key]
	if e == nil {
		e = &entry{key: rec.Key, place: h.free(rec), created: rec.CreatedRevision}
		h.keys[rec.Key] = e
		h.places[e.place] = e
	}
	meta := h.codec.declared(rec.Key, rec.Metadata, e.name)
	if !maps.Equal(e.labels, meta.Labels) {
		e.labels = meta.Labels // another map: events still hold the old one
	}
	e.revision = rec.ObjectRevision
	return e
}

// reach waits until everything that was committed before the call is in the
// index.
func (h *hub) reach(ctx context.Context) error {
	target := h.store.Revision()
	for {
		h.mu.RLock()
		cursor, advanced := h.cursor, h.advanced
		h.mu.RUnlock()
		if cursor >= target {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-advanced:
		}
	}
}

// find is the key of the work of that name.
func (h *hub) find(p place) (resource.Key, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if e := h.places[p]; e != nil {
		return e.key, true
	}
	return resource.Key{}, false
}

// name is that of a work that was read.
func (h *hub) name(rec *store.Record) string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if e := h.keys[rec.Key]; e != nil {
		return e.name
	}
	return nameOf(rec.Key, rec.Metadata, rec.Alias)
}

// entry is what is kept of a work; nil if it is not in the index.
func (h *hub) entry(key resource.Key) *entry {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.keys[key]
}

// namespaces are those that have works.
func (h *hub) namespaces() map[string]bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	all := make(map[string]bool)
	for p := range h.places {
		all[p.namespace] = true
	}
	return all
}
