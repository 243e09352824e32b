package proxy

import (
	"context"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// source is the side that owns specs and is told statuses.
type source struct{ *Proxy }

// sourceKeeps is how long a source remembers what was deleted, to tell it
// again to whoever still speaks of it.
const sourceKeeps = 30 * 24 * time.Hour

func (s *source) peer(k resource.Key) string           { return k.Cluster }
func (s *source) sender(e *event.Event) string         { return e.Cluster }
func (s *source) keep() time.Duration                  { return sourceKeeps }
func (s *source) settledSince(m *store.Meta) time.Time { return m.Gone }
func (s *source) unsettled(m *store.Meta) bool         { return m.Out.Left && !m.Out.Confirmed }
func (s *source) key(e *event.Event) resource.Key {
	return resource.Key{DataType: e.Type.DataType, Source: s.opts.ID, Cluster: e.Cluster, ID: e.ResourceID}
}

func (s *source) state(m *store.Meta) resource.SyncState {
	switch {
	case !m.Deleting.IsZero():
		return resource.Deleting
	case m.Out.Pending:
		return resource.Pending
	case observed(m):
		return resource.Observed
	default:
		return resource.Published
	}
}

// observed tells whether a status for the version held came back.
func observed(m *store.Meta) bool {
	return m.HasStatus && m.StatusVersion == m.Version && !m.Out.ObservedAt.IsZero()
}

func (s *source) screen(e *event.Event) string {
	request := e.Type.Action == event.ResyncRequest
	switch {
	case request != (e.Type.Sub == event.SubSpec):
		return dropUnexpected
	case e.OriginalSource != "" && e.OriginalSource != s.opts.ID:
		return dropSource
	case e.Cluster == "":
		return dropCluster
	case request:
		return ""
	case e.ResourceID == "":
		return dropUnexpected
	case !isObject(e.Payload.Data):
		return dropPayload
	}
	return ""
}

// depart raises the version if that is due, and records that a publish is
// attempted: what never left can be forgotten at once when it is deleted.
func (s *source) depart(ctx context.Context, rec *store.Record, next shipment) (*store.Record, error) {
	if next.why.unknown || (rec.Out.Left && !next.why.raise) {
		return rec, nil
	}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		m := tx.Meta(next.key)
		if m == nil {
			return nil
		}
		left := *m
		left.Out.Left = true
		m = tx.Put(left, store.Write{})
		if next.why.raise && m.Visible() && m.Deleting.IsZero() {
			s.raiseOrLater(tx, *m)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.store.Get(next.key)
}

// compose makes the event that tells an agent about a resource: its spec, or
// its deletion.
func (s *source) compose(rec *store.Record, next shipment) (*event.Event, error) {
	m := rec.Meta
	if !s.owed(m, next) {
		return nil, nil
	}
	e := &event.Event{
		Source: s.opts.ID, Cluster: m.Key.Cluster, ResourceID: m.Key.ID, ResourceVersion: m.Version,
		LogTracing: logTracing(m.Key.DataType),
		Type:       event.Type{DataType: m.Key.DataType, Sub: event.SubSpec, Action: specAction(m, next)},
	}
	switch {
	case !m.Gone.IsZero():
		e.DeletionTimestamp = deletedAt(m)
	case !m.Deleting.IsZero():
		e.DeletionTimestamp = &m.Deleting
	default:
		e.Payload = resource.Payload{Data: rec.Spec, ContentType: m.ContentType}
	}
	e.Metadata = specMetadata(rec, e.DeletionTimestamp)
	return e, nil
}

// owed tells whether there is anything to say about a resource: it was not
// taken by the broker yet, or not confirmed, or the agent has asked. A deletion
// that was confirmed after the agent asked needs no answer.
func (s *source) owed(m *store.Meta, next shipment) bool {
	switch {
	case next.why.unknown:
		return true
	case !m.Gone.IsZero() && !m.Confirmed.IsZero():
		return m.Out.Pending || next.why.response && !confirmedAt(m).After(next.why.askedAt)
	default:
		return next.why.response || m.Out.Pending || !m.Out.Confirmed
	}
}

// confirmedAt is when a deletion was confirmed, to compare a request with. A time
// that is still to come was noted before the clock was set back, and says nothing.
func confirmedAt(m *store.Meta) time.Time {
	if m.Confirmed.After(time.Now()) {
		return time.Time{}
	}
	return m.Confirmed
}

func deletedAt(m *store.Meta) *time.Time {
	if !m.Deleting.IsZero() {
		return &m.Deleting
	}
	return &m.Gone
}

func specAction(m *store.Meta, next shipment) event.Action {
	switch {
	case next.why.response && !m.Out.Pending, next.why.unknown:
		return event.ResyncResponse
	case !m.Deleting.IsZero() || !m.Gone.IsZero():
		return event.DeleteRequest
	case m.Out.PublishedVersion == 0:
		return event.CreateRequest
	default:
		return event.UpdateRequest
	}
}

// taken marks what the broker has taken, if it is still the newest state.
func (s *source) taken(tx *store.Tx, sent *store.Meta, none bool) (repeats bool, err error) {
	m := tx.Meta(sent.Key)
	if m == nil || m.Out.Dirty != sent.Out.Dirty || !m.Gone.Equal(sent.Gone) {
		return false, nil // changed since: it is marked again
	}
	now := *m
	now.Out.NoSubscribers = none && now.Out.Pending
	now.Out.Error = ""
	if !none && now.Out.Pending {
		now.Out.Pending = false
		now.Out.PublishedVersion = now.Version
		now.Out.PublishedAt = tx.Now()
	}
	if now.Out.Pending != m.Out.Pending || now.Out.NoSubscribers != m.Out.NoSubscribers || now.Out.Error != m.Out.Error {
		tx.Put(now, store.Write{Visible: now.Visible()})
	}
	if !now.Gone.IsZero() {
		return now.Confirmed.IsZero(), nil
	}
	return !now.Out.Confirmed, nil
}

// logTracing is the extension of that name: works carry it, other data types
// do not.
func logTracing(d resource.DataType) string {
	if isWork(d) {
		return "{}"
	}
	return ""
}

func isWork(d resource.DataType) bool {
	return strings.HasPrefix(string(d), "io.open-cluster-management.works.")
}
