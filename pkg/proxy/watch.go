package proxy

import (
	"context"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// A watcher is a cursor in the store's history of changes: it holds no events but
// those that it is just sending, so that one which reads slowly costs next to
// nothing, and is told to start again when the history has moved past it.

const bookmarkEvery = 10 * time.Second // at least every 15 s by contract

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

// initial sends everything that there is, each as new as it can be; what changed
// since the beginning is skipped later.
func (w *watcher) initial(ctx context.Context) error {
	all := w.begins.now()
	w.cursor = all.at
	var batch []resource.WatchEvent
	size := 0
	for _, m := range all.metas {
		if !w.wants(m.Key) {
			continue
		}
		res, _, err := w.shows.of(m.Key)
		if err != nil {
			return err
		}
		if res == nil {
			continue // gone meanwhile
		}
		if res.Revision > w.cursor {
			w.ahead[m.Key] = res.Revision
		}
		batch = append(batch, resource.WatchEvent{Type: resource.WatchAdded, Resource: res})
		if size += sizeOf(res); size < batchBytes {
			continue
		}
		if err := w.flush(ctx, &batch); err != nil {
			return err
		}
		size = 0
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
		changes, err := w.feed.after(w.cursor)
		if err != nil {
			return err
		}
		if err := w.emit(changes); err != nil {
			return err
		}
		if len(changes) > 0 {
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
func (w *watcher) emit(changes []*change) error {
	events := make([]resource.WatchEvent, 0, len(changes))
	for _, c := range changes {
		w.cursor = c.revision
		if ev, ok := w.event(c); ok {
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
func (w *watcher) event(c *change) (ev resource.WatchEvent, ok bool) {
	if !w.wants(c.key) || w.skips(c) {
		return ev, false
	}
	if c.kind == store.Deleted {
		return resource.WatchEvent{Type: resource.WatchDeleted, Resource: c.shown}, true
	}
	if c.shown == nil || c.born > c.revision {
		return ev, false
	}
	if c.shown.Revision > c.revision {
		w.ahead[c.key] = c.shown.Revision
	}
	kind := resource.WatchModified
	if c.kind == store.Added {
		kind = resource.WatchAdded
	}
	return resource.WatchEvent{Type: kind, Resource: c.shown}, true
}

func (w *watcher) skips(c *change) bool {
	until, ok := w.ahead[c.key]
	if ok && c.revision >= until {
		delete(w.ahead, c.key)
	}
	return ok && c.revision <= until
}

func (w *watcher) wants(k resource.Key) bool {
	return (w.req.DataType == "" || w.req.DataType == k.DataType) &&
		(w.req.Cluster == "" || w.req.Cluster == k.Cluster) &&
		(w.req.Source == "" || w.req.Source == k.Source)
}
