package proxy

import (
	"context"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// A watcher is a cursor in the store's log of changes: it holds no events, so
// that one which reads slowly costs nothing, and is told to start again when
// the log has moved past it.
const (
	watchBatch    = 100
	bookmarkEvery = 10 * time.Second // at least every 15 s by contract
)

type watcher struct {
	*Proxy
	req    resource.WatchRequest
	send   func([]resource.WatchEvent) error
	cursor resource.Revision
	// ahead holds the revision of what was sent with a newer state than the
	// change that it was sent for; changes up to there are skipped.
	ahead map[resource.Key]resource.Revision
}

// Watch streams changes until ctx or send ends it.
func (p *Proxy) Watch(ctx context.Context, req resource.WatchRequest, send func([]resource.WatchEvent) error) error {
	w := &watcher{Proxy: p, req: req, send: send, ahead: map[resource.Key]resource.Revision{}}
	if req.Since != nil {
		w.cursor = *req.Since
	} else if err := w.initial(ctx); err != nil {
		return err
	}
	return w.follow(ctx)
}

// initial sends everything that there is. Pages are read one by one, each as
// new as it can be; what changed since the beginning is skipped later.
func (w *watcher) initial(ctx context.Context) error {
	w.cursor = w.store.Revision()
	var keys []resource.Key
	for m := range w.store.All() {
		if m.Visible() && w.wants(m.Key) {
			keys = append(keys, m.Key)
		}
	}
	batch := make([]resource.WatchEvent, 0, watchBatch)
	for _, key := range keys {
		rec, err := w.store.Get(key)
		switch {
		case err != nil && resource.CodeOf(err) != resource.NotFound:
			return err // what cannot be read is not gone
		case err != nil || !rec.Visible():
			continue // gone meanwhile
		}
		if rec.Revision > w.cursor {
			w.ahead[key] = rec.Revision
		}
		batch = append(batch, resource.WatchEvent{Type: resource.WatchAdded, Resource: w.view(rec)})
		if len(batch) == watchBatch {
			if err := w.flush(ctx, &batch); err != nil {
				return err
			}
		}
	}
	batch = append(batch, resource.WatchEvent{Type: resource.WatchSynced, Revision: w.cursor})
	return w.flush(ctx, &batch)
}

func (w *watcher) flush(ctx context.Context, batch *[]resource.WatchEvent) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := w.send(*batch)
	*batch = (*batch)[:0]
	return err
}

// follow sends what changes, and bookmarks, so that a watcher whose filter
// hides all changes keeps its place.
func (w *watcher) follow(ctx context.Context) error {
	bookmark := time.NewTicker(bookmarkEvery)
	defer bookmark.Stop()
	for {
		changed := w.store.Changed()
		entries, err := w.store.Changes(w.cursor, watchBatch)
		if err != nil {
			return err
		}
		if err := w.emit(entries); err != nil {
			return err
		}
		if len(entries) > 0 {
			changed = closed // there may be more
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.stop:
			return resource.Errorf(resource.Unavailable, "the sidecar is ending; go on from the last revision when it is back")
		case <-bookmark.C:
			if err := w.send([]resource.WatchEvent{{Type: resource.WatchBookmark, Revision: w.cursor}}); err != nil {
				return err
			}
		case <-changed:
		}
	}
}

// closed is a signal that is always there.
var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// emit sends a batch of changes that this watcher wants.
func (w *watcher) emit(entries []store.LogEntry) error {
	events := make([]resource.WatchEvent, 0, len(entries))
	for _, e := range entries {
		w.cursor = e.Revision
		if ev, ok := w.event(e); ok {
			events = append(events, ev)
		}
	}
	if len(events) == 0 {
		return nil
	}
	return w.send(events)
}

// event turns a change into an event with the newest state of the resource.
// Changes that a newer state was sent for are skipped, and so are those of a
// life that has ended: its DELETED follows.
func (w *watcher) event(e store.LogEntry) (ev resource.WatchEvent, ok bool) {
	if !w.wants(e.Key) || w.skips(e) {
		return ev, false
	}
	if e.Kind == store.Deleted {
		return resource.WatchEvent{Type: resource.WatchDeleted, Resource: lastView(e)}, true
	}
	if e.Record == nil || e.Record.CreatedRevision > e.Revision {
		return ev, false
	}
	if e.Record.Revision > e.Revision {
		w.ahead[e.Key] = e.Record.Revision
	}
	kind := resource.WatchModified
	if e.Kind == store.Added {
		kind = resource.WatchAdded
	}
	return resource.WatchEvent{Type: kind, Resource: w.view(e.Record)}, true
}

func (w *watcher) skips(e store.LogEntry) bool {
	until, ok := w.ahead[e.Key]
	if ok && e.Revision >= until {
		delete(w.ahead, e.Key)
	}
	return ok && e.Revision <= until
}

func (w *watcher) wants(k resource.Key) bool {
	return (w.req.DataType == "" || w.req.DataType == k.DataType) &&
		(w.req.Cluster == "" || w.req.Cluster == k.Cluster) &&
		(w.req.Source == "" || w.req.Source == k.Source)
}
