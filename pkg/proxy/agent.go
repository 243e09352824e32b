package proxy

import (
	"context"
	"strconv"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// agent is the side that is told specs and reports statuses.
type agent struct{ *Proxy }

// agentKeeps is how long an agent remembers that it confirmed a deletion, to
// confirm it again to a source that asks again.
const agentKeeps = 24 * time.Hour

func (a *agent) peer(k resource.Key) string   { return k.Source }
func (a *agent) sender(e *event.Event) string { return e.Source }
func (a *agent) keep() time.Duration          { return agentKeeps }

// settledSince: a confirmation that no broker has taken yet is kept, however
// long the connection is away.
func (a *agent) settledSince(m *store.Meta) time.Time {
	if m.Out.Pending {
		return time.Now()
	}
	return m.Confirmed
}

func (a *agent) unsettled(*store.Meta) bool { return false } // the source's status resync mends it
func (a *agent) key(e *event.Event) resource.Key {
	return resource.Key{DataType: e.Type.DataType, Source: e.Source, Cluster: a.opts.Cluster, ID: e.ResourceID}
}

// state of an agent's resource speaks of its status, unless it is being deleted.
// One without a status has nothing that waits to be published.
func (a *agent) state(m *store.Meta) resource.SyncState {
	switch {
	case !m.Deleting.IsZero():
		return resource.Deleting
	case m.Out.Pending:
		return resource.Pending
	}
	return resource.Published
}

func (a *agent) screen(e *event.Event) string {
	request := e.Type.Action == event.ResyncRequest
	switch {
	case request != (e.Type.Sub == event.SubStatus):
		return dropUnexpected
	case e.Cluster != a.opts.Cluster && !(request && e.Cluster == ""):
		return dropCluster
	case resource.ValidateName("source", e.Source) != nil:
		return dropSource
	case request:
		return ""
	case e.ResourceID == "":
		return dropUnexpected
	case e.DeletionTimestamp == nil && !validSpec(e.Payload):
		return dropPayload
	}
	return ""
}

func (a *agent) depart(_ context.Context, rec *store.Record, _ shipment) (*store.Record, error) {
	return rec, nil
}

// compose makes the event that reports a status.
func (a *agent) compose(rec *store.Record, next shipment) (*event.Event, error) {
	m := rec.Meta
	if !m.HasStatus || !(m.Out.Pending || next.why.response) {
		return nil, nil
	}
	sequence, err := a.store.NextSequence()
	if err != nil {
		return nil, err
	}
	e := &event.Event{
		Source: a.opts.ID, Cluster: a.opts.Cluster, OriginalSource: m.Key.Source,
		ResourceID: m.Key.ID, ResourceVersion: m.StatusVersion,
		SequenceID: strconv.FormatInt(sequence, 10), StatusHash: m.StatusHash,
		LogTracing: logTracing(m.Key.DataType), Metadata: statusMetadata(rec),
		Type:    event.Type{DataType: m.Key.DataType, Sub: event.SubStatus, Action: event.UpdateRequest},
		Payload: resource.Payload{Data: rec.Status, ContentType: resource.JSONContentType},
	}
	if !m.Out.Pending {
		e.Type.Action = event.ResyncResponse
	}
	return e, nil
}

// taken marks what the broker has taken. A confirmation of a deletion that was
// taken ends this life; the next one may begin.
func (a *agent) taken(tx *store.Tx, sent *store.Meta, none bool) (repeats bool, err error) {
	m := tx.Meta(sent.Key)
	if m == nil || m.Out.Dirty != sent.Out.Dirty || !m.Gone.Equal(sent.Gone) {
		return false, nil
	}
	now := *m
	now.Out.NoSubscribers = none && now.Out.Pending
	now.Out.Error = ""
	if !none && now.Out.Pending {
		now.Out.Pending = false
		now.Out.PublishedVersion = now.StatusVersion
		now.Out.PublishedAt = tx.Now()
	}
	switch {
	case now.Gone.IsZero():
		if now.Out.Pending != m.Out.Pending || now.Out.NoSubscribers != m.Out.NoSubscribers || now.Out.Error != m.Out.Error {
			tx.Put(now, store.Write{Visible: true})
		}
	case none:
		tx.Put(now, store.Write{})
	case now.Next != nil:
		now.Confirmed = tx.Now()
		return false, a.reborn(tx, now)
	default:
		now.Confirmed = tx.Now()
		tx.Put(now, store.Write{})
	}
	return false, nil
}

// setStatus stores a status to be reported. version 0 = the version held.
func (a *agent) setStatus(tx *store.Tx, key resource.Key, status []byte, version int64) error {
	m := tx.Meta(key)
	if !m.Visible() {
		return notFound(key)
	}
	if version == 0 && m.Version != 0 {
		version = m.Version
	}
	switch {
	case version > m.Version:
		return resource.Errorf(resource.Conflict, "version %d is above %d, the version held: report what was seen", version, m.Version)
	case version < m.StatusVersion && m.StatusVersion <= m.Version: // else the source has counted anew
		return resource.Errorf(resource.Conflict, "the status held is about version %d already: get the resource again", m.StatusVersion)
	case event.IsDeleted(status) && m.Deleting.IsZero():
		return resource.Errorf(resource.Conflict, "the resource is not being deleted: a condition Deleted=True would make the source send it again")
	case event.IsDeleted(status):
		return a.confirm(tx, *m, status)
	}
	rec, err := tx.Record(key)
	if err != nil {
		return err
	}
	if m.HasStatus && m.StatusVersion == version && event.Equal(rec.Status, status) {
		return nil
	}
	changed := *m
	changed.StatusVersion = version
	if err := setHashes(&changed, status); err != nil {
		return err
	}
	a.owe(tx, &changed)
	tx.Put(changed, store.Write{Visible: true, Status: &status})
	return nil
}

// setHashes notes both forms of the hash that sources compare with.
func setHashes(m *store.Meta, status []byte) error {
	hash, ordered, err := hashesOf(m.Key.DataType, status)
	if err != nil {
		return resource.Errorf(resource.InvalidArgument, "status: %w", err).WithField("/status")
	}
	m.HasStatus, m.StatusHash, m.RawHash = true, hash, ""
	if ordered != hash {
		m.RawHash = ordered
	}
	return nil
}

func (a *agent) owe(tx *store.Tx, m *store.Meta) {
	m.Out.Pending = true
	m.Out.Dirty = tx.NextRevision()
	m.Out.NoSubscribers = false
	m.Out.Error = ""
}

// remove is the app's word that it has cleaned up.
func (a *agent) remove(tx *store.Tx, req resource.DeleteRequest) error {
	m := tx.Meta(req.Key)
	if !m.Visible() {
		return notFound(req.Key)
	}
	if err := matches(m, req.IfMatch); err != nil {
		return err
	}
	if m.Deleting.IsZero() {
		return resource.Errorf(resource.Conflict, "the resource is not being deleted: only its source can ask for that")
	}
	rec, err := tx.Record(req.Key)
	if err != nil {
		return err
	}
	status, err := event.WithDeleted(rec.Status, tx.Now(), a.opts.Cluster)
	if err != nil {
		return fmtKey("confirm the deletion of", req.Key, err)
	}
	return a.confirm(tx, *m, status)
}

// confirm forgets a resource and owes its source the word that it is deleted.
// The record stays as a tombstone until the broker has taken it, and a day
// longer to say it again.
func (a *agent) confirm(tx *store.Tx, m store.Meta, status []byte) error {
	if err := setHashes(&m, status); err != nil {
		return err
	}
	m.Gone = tx.Now()
	m.StatusVersion = m.Version
	m.ContentType = ""
	a.owe(tx, &m)
	m.Queue.Done, m.Queue.Reasons, m.Queue.Dead = m.Queue.Queued, nil, nil
	nothing := []byte(nil)
	tx.Put(m, store.Write{Visible: true, SpecChanged: true, Spec: &nothing, Status: &status, Local: &nothing})
	return nil
}
