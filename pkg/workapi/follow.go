package workapi

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// follower is one watch. It holds no events: it reads the ring of the hub, or
// the history of the store if it has fallen behind that, at its own pace.
type follower struct {
	storage   *workStorage
	at        place // of a work, a namespace, or all
	predicate storage.SelectionPredicate
	since     resource.Revision // up to where it was told
	initial   bool              // it begins with all that there is
	marksEnd  bool              // and says when that is done

	pastFrom, pastTo resource.Revision // what was read from the history, if anything

	results chan watch.Event
	cancel  context.CancelFunc
}

// ResultChan is closed when the watch has ended.
func (w *follower) ResultChan() <-chan watch.Event { return w.results }

// Stop ends the watch.
func (w *follower) Stop() { w.cancel() }

// start begins to send; it ends with ctx, with Stop, or after an error event.
func (w *follower) start(ctx context.Context) {
	ctx, w.cancel = context.WithCancel(ctx)
	w.results = make(chan watch.Event, followBatch)
	go func() {
		defer close(w.results)
		defer w.cancel()
		err := w.run(ctx)
		if err != nil && ctx.Err() == nil {
			_ = w.send(ctx, failure(err))
		}
	}()
}

func (w *follower) run(ctx context.Context) error {
	if w.initial {
		if err := w.sendAll(ctx); err != nil {
			return err
		}
	}
	bookmarks := time.NewTicker(bookmarkEvery)
	defer bookmarks.Stop()
	for pace := (pace{}); ; {
		changes, through, advanced, err := w.next()
		if err != nil {
			return err
		}
		for _, c := range changes {
			if err := w.tell(ctx, c); err != nil {
				return err
			}
		}
		if through > w.since {
			w.since = through
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-bookmarks.C:
			if err := w.bookmark(ctx); err != nil {
				return err
			}
		case <-advanced:
			if err := pace.wait(ctx); err != nil {
				return err
			}
		}
	}
}

func (w *follower) send(ctx context.Context, e watch.Event) error {
	select {
	case w.results <- e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *follower) bookmark(ctx context.Context) error {
	if !w.predicate.AllowWatchBookmarks {
		return nil
	}
	return w.send(ctx, watch.Event{Type: watch.Bookmark, Object: bookmark(w.since)})
}

// next are the changes after since, and up to where they go.
func (w *follower) next() (changes []change, through resource.Revision, advanced <-chan struct{}, err error) {
	h := w.storage.hub
	h.mu.RLock()
	changes, ok := h.recent.after(w.since, followBatch)
	cursor, advanced := h.cursor, h.advanced
	h.mu.RUnlock()
	switch {
	case !ok:
		changes, through, err = w.past(cursor)
		return changes, through, advanced, err
	case len(changes) == followBatch:
		return changes, changes[len(changes)-1].revision, advanced, nil
	}
	return changes, max(cursor, w.since), advanced, nil
}

// missed tells whether the state before a change was read from the history, which
// passes over states that a newer one follows: nobody knows if it was told.
func (w *follower) missed(c change) bool { return c.was > w.pastFrom && c.was <= w.pastTo }

// tell sends a change if it is selected: as ADDED or DELETED if it came into the
// selection or left it.
func (w *follower) tell(ctx context.Context, c change) error {
	if !w.at.covers(c.place) {
		return nil
	}
	kind := c.kind
	if !w.predicate.Empty() {
		now := c.kind != watch.Deleted && w.selects(c.labels, c.place)
		before := (c.forgot || w.missed(c)) && w.predicate.Field.Matches(fieldsOf(c.place)) || c.before != nil && w.selects(c.before, c.place)
		switch {
		case now && before:
			kind = watch.Modified
		case now:
			kind = watch.Added
		case before:
			kind = watch.Deleted
		default:
			return nil
		}
	}
	return w.send(ctx, watch.Event{Type: kind, Object: c.object})
}

func (w *follower) selects(set labels.Set, p place) bool {
	return w.predicate.MatchesObjectAttributes(set, fieldsOf(p))
}

// sendAll sends what there is, as new, at the pace of the reader. Each work is as
// it is then: it holds no snapshot, of which the store keeps few. What has
// changed meanwhile is told once more by the changes after it.
func (w *follower) sendAll(ctx context.Context) error {
	s := w.storage
	found, since, err := s.selected(ctx, w.at, w.predicate)
	if err != nil {
		return err
	}
	w.since = since
	for _, e := range found {
		rec, err := s.store.Get(e.key)
		if err != nil && resource.CodeOf(err) != resource.NotFound {
			return err
		}
		if err != nil || !rec.Visible() {
			continue // the changes tell that it is gone
		}
		work := s.codec.work(rec, s.hub.name(rec))
		if !w.selects(work.Labels, place{work.Namespace, work.Name}) {
			continue
		}
		if err := w.send(ctx, watch.Event{Type: watch.Added, Object: share(work)}); err != nil {
			return err
		}
	}
	return w.endOfAll(ctx)
}

func (w *follower) endOfAll(ctx context.Context) error {
	if !w.marksEnd {
		return nil
	}
	mark := bookmark(w.since)
	if err := storage.AnnotateInitialEventsEndBookmark(mark); err != nil {
		return errors.Join(errors.New("mark the end of the initial events"), err)
	}
	return w.send(ctx, watch.Event{Type: watch.Bookmark, Object: mark})
}
