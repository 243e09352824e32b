package proxy

import (
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// put declares a resource: it counts the version up if spec or metadata
// changed, and marks it for sending.
func (s *source) put(tx *store.Tx, req resource.PutRequest) (created bool, err error) {
	m := tx.Meta(req.Key)
	if req.IfNoneMatch && m.Visible() {
		return false, resource.Errorf(resource.PreconditionFailed, "the resource exists: leave out If-None-Match to change it")
	}
	if err := matches(m, req.IfMatch); err != nil {
		return false, err
	}
	if req, err = s.declared(tx, m, req); err != nil {
		return false, err
	}
	switch {
	case !m.Visible():
		return true, s.create(tx, m, req)
	case !m.Deleting.IsZero():
		return false, resource.Errorf(resource.DeletingCode, "the resource is being deleted: put it again when that is done (delete it with wait=observed)")
	}
	return false, s.change(tx, m, req)
}

// create begins a life. One that follows another continues above its version:
// agents may still hold the old one.
func (s *source) create(tx *store.Tx, last *store.Meta, req resource.PutRequest) error {
	m := store.Meta{Key: req.Key, Version: max(1, req.Version)}
	if last != nil {
		m.Version = max(last.Version+1, req.Version)
		m.Out.Left = last.Out.Left && last.Confirmed.IsZero() // some agent may still hold it
		m.Queue, m.SequenceID = last.Queue, last.SequenceID   // a late status of that life is older
	}
	m.BornVersion, m.BornTime = m.Version, tx.Now()
	return s.declare(tx, m, req)
}

func (s *source) change(tx *store.Tx, m *store.Meta, req resource.PutRequest) error {
	rec, err := tx.Record(req.Key)
	if err != nil {
		return err
	}
	same := event.Equal(rec.Spec, req.Spec.Data) && m.ContentType == req.Spec.ContentType &&
		event.Equal(rec.Metadata, req.Metadata)
	if same && m.Version >= req.Version {
		return nil
	}
	changed := *m
	changed.Version = max(m.Version+1, req.Version)
	return s.declare(tx, changed, req)
}

func (s *source) declare(tx *store.Tx, m store.Meta, req resource.PutRequest) error {
	if m.Version > resource.MaxVersion {
		return resource.Errorf(resource.InvalidArgument, "version %d is above %d, which peers cannot read: delete the resource and use another id", m.Version, resource.MaxVersion)
	}
	m.ContentType = req.Spec.ContentType
	m.SpecTime = tx.Now()
	s.owe(tx, &m)
	tx.Put(m, store.Write{Visible: true, SpecChanged: true, Spec: &req.Spec.Data, Metadata: (*[]byte)(&req.Metadata)})
	return nil
}

// owe marks that the agent must be told the state of m, which the next visible
// Put stores.
func (s *source) owe(tx *store.Tx, m *store.Meta) {
	m.Out.Pending = true
	m.Out.Dirty = tx.NextRevision()
	m.Out.Confirmed = false
	m.Out.NoSubscribers = false
	m.Out.Error = ""
	if s.online.Load() {
		m.Out.Left = true // it is sent as soon as this is on disk
	}
}

// remove asks the agent to delete, or forgets at once what never left or what
// is forced. done says that there is nothing left to wait for.
func (s *source) remove(tx *store.Tx, req resource.DeleteRequest) (done bool, err error) {
	m := tx.Meta(req.Key)
	if !m.Visible() {
		return false, notFound(req.Key)
	}
	if err := matches(m, req.IfMatch); err != nil {
		return false, err
	}
	held, err := s.held(tx, m)
	if err != nil {
		return false, err
	}
	switch deleting := *m; {
	case !m.Out.Left && !(held && !req.Force):
		s.forget(tx, deleting, tx.Now())
		return true, nil
	case req.Force:
		s.forget(tx, deleting, time.Time{})
		return true, nil
	case !m.Out.Left:
		s.hold(tx, deleting)
		return false, nil
	case !m.Deleting.IsZero():
		return false, nil
	default:
		deleting.Deleting = tx.Now()
		s.owe(tx, &deleting)
		tx.Put(deleting, store.Write{Visible: true, SpecChanged: true})
		return false, nil
	}
}

// forget makes a tombstone. Unless the agent is known to have it gone, it goes
// on being told.
func (s *source) forget(tx *store.Tx, m store.Meta, confirmed time.Time) {
	m.Gone, m.Confirmed = tx.Now(), confirmed
	m.ContentType, m.HasStatus, m.StatusHash, m.StatusVersion = "", false, "", 0
	m.Out.Error = ""
	if confirmed.IsZero() {
		s.owe(tx, &m)
	} else {
		m.Out.Pending, m.Out.Left = false, false
	}
	queued(tx, &m, reasonDeleted)
	nothing := []byte(nil)
	tx.Put(m, store.Write{Visible: true, SpecChanged: true, Spec: &nothing, Status: &nothing, Local: &nothing})
}

// matches holds if spec, metadata and deletion are unchanged since a revision.
func matches(m *store.Meta, since *resource.Revision) error {
	switch {
	case since == nil:
		return nil
	case !m.Visible():
		return resource.Errorf(resource.PreconditionFailed, "there is no such resource, and If-Match wants one")
	case m.SpecRevision > *since || *since > m.Revision:
		return resource.Errorf(resource.PreconditionFailed, "the resource has changed since revision %s: get it again and repeat", since)
	}
	return nil
}

func notFound(k resource.Key) error {
	return resource.Errorf(resource.NotFound, "there is no %s %q on cluster %s", k.DataType, k.ID, k.Cluster)
}
