package proxy

import (
	"context"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// ChangeWork commits a change that was made of a work as the Kubernetes API
// shows it, and returns the record as it is then; nil if it is gone. If the work
// has changed since Change.At it is resource.Conflict, and nothing happens.
func (p *Proxy) ChangeWork(ctx context.Context, c manifestwork.Change) (rec *store.Record, err error) {
	err = p.store.Update(ctx, func(tx *store.Tx) error {
		m := tx.Meta(c.Key)
		if err := unchangedSince(m, c); err != nil {
			return err
		}
		switch side := p.side.(type) {
		case *source:
			err = side.changeWork(tx, m, c)
		case *agent:
			err = side.changeWork(tx, m, c)
		}
		if err != nil {
			return err
		}
		rec, err = visible(tx, c.Key)
		return err
	})
	if err != nil {
		return nil, err
	}
	return rec, nil
}

func unchangedSince(m *store.Meta, c manifestwork.Change) error {
	switch {
	case c.At == 0 && m.Visible():
		return resource.Errorf(resource.Conflict, "the work exists")
	case c.At != 0 && !m.Visible():
		return notFound(c.Key)
	case c.At != 0 && m.ObjectRevision != c.At:
		return resource.Errorf(resource.Conflict, "the work has changed: get it again and repeat")
	}
	return nil
}

// visible is a copy of a record that may be kept after the transaction; nil if
// there is none.
func visible(tx *store.Tx, key resource.Key) (*store.Record, error) {
	if !tx.Meta(key).Visible() {
		return nil, nil
	}
	return tx.Record(key)
}

func (s *source) changeWork(tx *store.Tx, m *store.Meta, c manifestwork.Change) error {
	switch {
	case c.Delete:
		_, err := s.remove(tx, resource.DeleteRequest{Key: c.Key, Force: c.Force})
		return err
	case m.Visible() && !m.Deleting.IsZero():
		return s.changeDeletingWork(tx, *m, c)
	}
	before := m
	if c.Spec != nil || c.Metadata != nil {
		put, err := putOf(tx, c)
		if err != nil {
			return err
		}
		if _, err := s.put(tx, put); err != nil {
			return err
		}
	}
	return keepLocal(tx, before, c)
}

// putOf is the part of a change that the agents are told.
func putOf(tx *store.Tx, c manifestwork.Change) (put resource.PutRequest, err error) {
	put = resource.PutRequest{Key: c.Key, Spec: resource.Payload{ContentType: resource.JSONContentType}}
	if c.At != 0 {
		rec, err := tx.Record(c.Key)
		if err != nil {
			return put, err
		}
		put.Spec.Data, put.Metadata = rec.Spec, rec.Metadata
	}
	if c.Spec != nil {
		put.Spec.Data = *c.Spec
	}
	if c.Metadata != nil {
		put.Metadata = *c.Metadata
	}
	return put, checkPut(&put)
}

// keepLocal stores what is not told. If nothing else has changed with it, it is
// a change of its own that watchers see.
func keepLocal(tx *store.Tx, before *store.Meta, c manifestwork.Change) error {
	if c.Local == nil {
		return nil
	}
	local, err := c.Local.Encode()
	if err != nil {
		return err
	}
	now := tx.Meta(c.Key)
	if !now.Visible() {
		return nil
	}
	alone := before.Visible() && before.ObjectRevision == now.ObjectRevision
	tx.Put(*now, store.Write{Visible: alone, Local: &local})
	return nil
}

// changeDeletingWork lets finalizers go, and the work with the last one if its
// agent has none of it.
func (s *source) changeDeletingWork(tx *store.Tx, m store.Meta, c manifestwork.Change) error {
	if c.Spec != nil || c.Metadata != nil {
		return resource.Errorf(resource.DeletingCode, "the work is being deleted: only its finalizers can be changed")
	}
	if err := keepLocal(tx, &m, c); err != nil {
		return err
	}
	if c.Local != nil && !c.Local.Holds() && (!m.Out.Left || !m.Confirmed.IsZero()) {
		s.forget(tx, *tx.Meta(c.Key), tx.Now())
	}
	return nil
}

// held tells whether finalizers of the app keep a work whose deletion the agent
// has confirmed, or that no agent knows.
func (s *source) held(tx *store.Tx, m *store.Meta) (bool, error) {
	if !manifestwork.Is(m.Key.DataType) {
		return false, nil
	}
	rec, err := tx.Record(m.Key)
	if err != nil || len(rec.Local) == 0 {
		return false, err
	}
	local, err := manifestwork.ReadLocal(rec.Local)
	return local.Holds(), err
}

// hold keeps a deleting work that no agent has, until the app lets it go.
func (s *source) hold(tx *store.Tx, m store.Meta) {
	if m.Deleting.IsZero() {
		m.Deleting = tx.Now()
	}
	m.Confirmed = tx.Now()
	m.Out.Pending, m.Out.Confirmed, m.Out.NoSubscribers, m.Out.Error = false, true, false, ""
	tx.Put(m, store.Write{Visible: true, SpecChanged: true})
}

func (a *agent) changeWork(tx *store.Tx, m *store.Meta, c manifestwork.Change) error {
	if c.Delete {
		return a.remove(tx, resource.DeleteRequest{Key: c.Key})
	}
	if c.Status != nil {
		if err := a.setStatus(tx, c.Key, *c.Status, 0); err != nil {
			return err
		}
	}
	return keepLocal(tx, m, c)
}

// declared is a put of a work with the metadata that is kept of it, and at
// least the version that its annotation asks for.
func (p *Proxy) declared(tx *store.Tx, m *store.Meta, req resource.PutRequest) (resource.PutRequest, error) {
	if !p.live.Load().Works.Enabled || !manifestwork.Is(req.Key.DataType) {
		return req, nil
	}
	var before []byte
	if m.Visible() {
		rec, err := tx.Record(req.Key)
		if err != nil {
			return req, err
		}
		before = rec.Metadata
	}
	metadata, err := manifestwork.Declare(req.Key, before, req.Metadata, tx.Now())
	if err != nil {
		return req, err
	}
	req.Metadata = metadata
	if kept, err := manifestwork.ReadMetadata(metadata); err == nil {
		req.Version = max(req.Version, kept.Floor())
	}
	return req, nil
}

// checkWork refuses a work that no agent would take.
func (p *Proxy) checkWork(req *resource.PutRequest) error {
	works := p.live.Load().Works
	if !works.Enabled || !manifestwork.Is(req.Key.DataType) {
		return nil
	}
	return manifestwork.CheckSpec(req.Key.DataType, req.Spec.Data, works.MaxBytes)
}

// hashesOf are both forms of the hash of a status. A work's are over the status
// of its object.
func hashesOf(d resource.DataType, status []byte) (canonical, ordered string, err error) {
	if manifestwork.Is(d) {
		if canonical, ordered, err = manifestwork.StatusHashes(d, status); err == nil {
			return canonical, ordered, nil
		}
	}
	canonical, err = event.StatusHash(status)
	return canonical, event.RawStatusHash(status), err
}

// specMetadata is the metadata extension of a spec.
func specMetadata(rec *store.Record, deleting *time.Time) string {
	if manifestwork.Is(rec.Key.DataType) {
		return manifestwork.SpecMetadata(rec.Metadata, rec.Version, deleting)
	}
	return string(rec.Metadata)
}

// statusMetadata is the metadata extension of a status; only works have one.
func statusMetadata(rec *store.Record) string {
	switch {
	case !isWork(rec.Key.DataType):
		return ""
	case !manifestwork.Is(rec.Key.DataType):
		return string(rec.Metadata)
	}
	var finalizers []string
	if rec.Gone.IsZero() {
		local, _ := manifestwork.ReadLocal(rec.Local) // what cannot be read is as good as none
		finalizers = local.AgentFinalizers(!rec.Deleting.IsZero())
	}
	return manifestwork.StatusMetadata(rec.Key, rec.Metadata, rec.StatusVersion, timeOrNil(rec.Deleting), finalizers)
}

// SyncState is how far a resource has travelled.
func (p *Proxy) SyncState(m *store.Meta) resource.SyncState { return p.side.state(m) }
