package proxy

import (
	"encoding/json"
	"fmt"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// receive takes a spec or a delete (docs/protocol.md, "Rules of order").
func (a *agent) receive(tx *store.Tx, e *event.Event) (outcome, error) {
	m := tx.Meta(a.key(e))
	deleting := e.DeletionTimestamp != nil
	switch {
	case m == nil && deleting:
		return a.unheld(tx, e), nil
	case m == nil:
		return a.take(tx, store.Meta{Key: a.key(e)}, e)
	case !m.Visible() && deleting:
		return a.confirmAgain(tx, *m, e), nil
	case !m.Visible():
		return a.afterDeletion(tx, *m, e)
	case !m.Deleting.IsZero():
		return a.whileDeleting(tx, *m, e)
	}
	return a.receiveHeld(tx, *m, e)
}

// receiveHeld takes what is about a resource that is held and not being deleted.
func (a *agent) receiveHeld(tx *store.Tx, m store.Meta, e *event.Event) (outcome, error) {
	if err := a.keepName(tx, &m, e); err != nil {
		return outcome{}, fmtKey("keep the name of", m.Key, err)
	}
	if e.DeletionTimestamp != nil {
		return a.beginDeletion(tx, m, e), nil
	}
	return a.update(tx, m, e)
}

// unheld hands a delete of an id that is held for no source to the app, with
// no spec, to confirm: a workload may have outlived our disk.
func (a *agent) unheld(tx *store.Tx, e *event.Event) outcome {
	key := a.key(e)
	if len(tx.Find(key.DataType, key.Cluster, key.ID)) > 0 {
		return outcome{drop: dropSource}
	}
	m := store.Meta{Key: key, Version: e.ResourceVersion, BornVersion: e.ResourceVersion, BornTime: e.Time}
	return a.beginDeletion(tx, m, e)
}

func (a *agent) beginDeletion(tx *store.Tx, m store.Meta, e *event.Event) outcome {
	if e.Time.Before(m.BornTime) && e.ResourceVersion != 0 && e.ResourceVersion < m.BornVersion {
		return outcome{drop: dropAnotherLife} // it was about an earlier life, and comes late
	}
	m.Deleting, m.DeleteTime = *e.DeletionTimestamp, e.Time
	m.Version = max(m.Version, e.ResourceVersion)
	queued(tx, &m, reasonDeleting)
	w := store.Write{Visible: true, SpecChanged: true}
	if e.Metadata != "" {
		metadata := []byte(e.Metadata)
		w.Metadata = &metadata
	}
	tx.Put(m, w)
	return outcome{news: true}
}

// confirmAgain repeats a confirmation that was given within the last day.
func (a *agent) confirmAgain(tx *store.Tx, m store.Meta, e *event.Event) outcome {
	if tx.Now().Sub(a.settledSince(&m)) > agentKeeps {
		tx.Remove(m.Key)
		return a.unheld(tx, e)
	}
	if e.Time.After(m.DeleteTime) {
		m.DeleteTime = e.Time
	}
	w := dropNext(&m, e)
	m.Version = max(m.Version, e.ResourceVersion)
	m.StatusVersion = m.Version
	m.Out.Pending, m.Out.Dirty = true, tx.TakeRevision()
	tx.Put(m, w)
	return outcome{}
}

// afterDeletion takes the first spec of a next life; a late one of the last
// life raises nothing from the dead. Until the broker has taken our
// confirmation the new spec waits.
func (a *agent) afterDeletion(tx *store.Tx, m store.Meta, e *event.Event) (outcome, error) {
	if !follows(&m, e) {
		return outcome{drop: dropAnotherLife}, nil
	}
	if m.Out.Pending {
		return a.keepAside(tx, m, e), nil
	}
	return a.take(tx, nextLife(m), e)
}

// whileDeleting keeps a spec that was made after the delete for the next life
// and drops everything else.
func (a *agent) whileDeleting(tx *store.Tx, m store.Meta, e *event.Event) (outcome, error) {
	if e.DeletionTimestamp == nil {
		if !follows(&m, e) {
			return outcome{drop: dropAnotherLife}, nil
		}
		return a.keepAside(tx, m, e), nil
	}
	if !e.Time.After(m.DeleteTime) {
		return outcome{}, nil
	}
	m.DeleteTime = e.Time
	tx.Put(m, dropNext(&m, e))
	return outcome{}, nil
}

// follows tells whether a spec was made after the delete of m: by the clock of
// its source or, since that may have been set back meanwhile, by a version that
// the life which was deleted never had.
func follows(m *store.Meta, e *event.Event) bool {
	return e.Time.After(m.DeleteTime) || m.Version != 0 && e.ResourceVersion > m.Version
}

// dropNext drops the spec kept aside if a delete was made after it.
func dropNext(m *store.Meta, e *event.Event) store.Write {
	if m.Next == nil || !e.Time.After(m.Next.Time) {
		return store.Write{}
	}
	m.Next = nil
	nothing := []byte(nil)
	return store.Write{NextSpec: &nothing, NextMetadata: &nothing}
}

func (a *agent) keepAside(tx *store.Tx, m store.Meta, e *event.Event) outcome {
	if m.Next != nil && !e.Time.After(m.Next.Time) && e.ResourceVersion <= m.Next.Version {
		return outcome{drop: dropStale}
	}
	m.Next = &store.NextSpec{Version: e.ResourceVersion, Time: e.Time, ContentType: contentType(e.Payload)}
	metadata := []byte(e.Metadata)
	tx.Put(m, store.Write{NextSpec: &e.Payload.Data, NextMetadata: &metadata})
	return outcome{news: true}
}

// reborn begins the next life with the spec that was kept aside.
func (a *agent) reborn(tx *store.Tx, m store.Meta) error {
	rec, err := tx.Record(m.Key)
	if err != nil {
		return fmtKey("begin the next life of", m.Key, err)
	}
	next := m.Next
	life := nextLife(m)
	life.Version, life.BornVersion = next.Version, next.Version
	life.SpecTime, life.BornTime, life.ContentType = next.Time, next.Time, next.ContentType
	queued(tx, &life, reasonCreated)
	nothing := []byte(nil)
	tx.Put(life, store.Write{Visible: true, SpecChanged: true, Spec: &rec.NextSpec, Metadata: &rec.NextMetadata,
		Status: &nothing, NextSpec: &nothing, NextMetadata: &nothing})
	return nil
}

// nextLife is a tombstone's key, ready for a new life.
func nextLife(m store.Meta) store.Meta {
	return store.Meta{Key: m.Key, Revision: m.Revision, Queue: m.Queue, DeleteTime: m.DeleteTime}
}

// take stores the first spec of a life.
func (a *agent) take(tx *store.Tx, m store.Meta, e *event.Event) (outcome, error) {
	m.BornTime, m.BornVersion = e.Time, e.ResourceVersion
	nothing := []byte(nil)
	a.hold(tx, m, e, reasonCreated, &nothing)
	return outcome{news: true}, nil
}

// update takes a spec that is newer, or that differs under an equal version.
func (a *agent) update(tx *store.Tx, m store.Meta, e *event.Event) (outcome, error) {
	if e.ResourceVersion != 0 && e.ResourceVersion < m.Version {
		// One that was made later than what is held is no late message: its
		// source has gone back, and must soon be told what is held.
		return outcome{drop: dropStale, news: e.Time.After(m.SpecTime)}, nil
	}
	if e.ResourceVersion == 0 || e.ResourceVersion == m.Version || m.Version == 0 {
		rec, err := tx.Record(m.Key)
		if err != nil {
			return outcome{}, err
		}
		if m.ContentType != "" && event.Equal(rec.Spec, e.Payload.Data) && event.Equal(rec.Metadata, []byte(e.Metadata)) &&
			(m.Version == e.ResourceVersion || e.ResourceVersion == 0) {
			return outcome{}, nil
		}
	}
	a.hold(tx, m, e, reasonUpdated, nil)
	return outcome{news: true}, nil
}

func (a *agent) hold(tx *store.Tx, m store.Meta, e *event.Event, reason string, status *[]byte) {
	m.Version, m.SpecTime, m.ContentType = e.ResourceVersion, e.Time, contentType(e.Payload)
	queued(tx, &m, reason)
	metadata := []byte(e.Metadata)
	tx.Put(m, store.Write{Visible: true, SpecChanged: true, Spec: &e.Payload.Data, Metadata: &metadata, Status: status})
}

func contentType(p resource.Payload) string {
	if p.ContentType == "" {
		return resource.JSONContentType
	}
	return p.ContentType
}

// validSpec tells whether a payload is what its media type says.
func validSpec(p resource.Payload) bool {
	return !isJSON(contentType(p)) || json.Valid(p.Data)
}

// isObject tells whether data is a JSON object.
func isObject(data []byte) bool {
	for _, c := range data {
		switch c {
		case ' ', '\t', '\r', '\n':
		case '{':
			return json.Valid(data)
		default:
			return false
		}
	}
	return false
}

func fmtKey(what string, key resource.Key, err error) error {
	return fmt.Errorf("%s %s: %w", what, key, err)
}
