package workapi

import (
	"k8s.io/apimachinery/pkg/watch"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// pastBatch is how many changes a watcher reads from the history at a time: each
// is a whole work, and many watchers may do so at once, after a restart.
const pastBatch = 16

// past reads changes that are not in the ring any more, from the history in the
// store; none after cursor, because names are not known there. Nobody knows the
// labels that works had before a change: one that is not selected now may have
// been.
func (w *follower) past(cursor resource.Revision) (changes []change, through resource.Revision, err error) {
	s := w.storage
	if w.pastTo == 0 {
		w.pastFrom = w.since
	}
	entries, through, err := s.store.ChangesOf(w.since, pastBatch, func(key resource.Key, kind store.Kind, at resource.Revision) bool {
		return at <= cursor && isNews(s.store, key, kind, at)
	})
	for _, e := range entries {
		switch {
		case e.Kind == store.Deleted:
			changes = append(changes, w.pastDeletion(e)...)
		case e.Record != nil && e.Record.ObjectRevision == e.Revision:
			changes = append(changes, w.pastChange(e)...)
		}
	}
	w.pastTo = min(through, cursor)
	return changes, w.pastTo, err
}

// pastChange is nothing before a work had the name that it has.
func (w *follower) pastChange(e store.LogEntry) []change {
	s := w.storage
	inherited := s.hub.inheritedAt(e.Key)
	if e.Revision < inherited {
		return nil
	}
	c := s.now(e.Record)
	c.revision = e.Revision
	if max(e.Record.CreatedRevision, inherited) <= w.since {
		c.kind, c.forgot = watch.Modified, true
	}
	return []change{c}
}

// pastDeletion is the end of a work, and the beginning of the one that has its
// name from then on, unless the history has that later. Who stops to read
// between the two must read both again.
func (w *follower) pastDeletion(e store.LogEntry) []change {
	s := w.storage
	had, heir := s.hub.heirOf(e)
	if !had {
		return nil
	}
	p := placeOfLast(e)
	work := s.codec.last(e, p.name)
	gone := change{revision: e.Revision, kind: watch.Deleted, place: p, labels: work.Labels, forgot: true, object: share(work)}
	if heir == nil {
		return []change{gone}
	}
	rec, err := s.store.Get(*heir)
	if err != nil || !rec.Visible() || rec.ObjectRevision > e.Revision {
		return []change{gone} // what became of it follows
	}
	work.ResourceVersion = (e.Revision - 1).String()
	next := s.now(rec)
	next.revision = e.Revision
	return []change{gone, next}
}

// now is a work as it is, as one that is new to a watcher.
func (s *workStorage) now(rec *store.Record) change {
	name := s.hub.name(rec)
	work := s.codec.work(rec, name)
	return change{kind: watch.Added, place: place{rec.Key.Cluster, name}, labels: work.Labels, object: share(work)}
}
