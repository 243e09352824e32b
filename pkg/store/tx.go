package store

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Tx is what a function given to Update works with. It is good for that call
// only. What it stages is kept in memory until the commit.
type Tx struct {
	s     *Store
	batch *batch
	over  overlay // of this update
	now   time.Time
	err   error // the first fault of a call that cannot return one
}

// Now is the time at which the update began, in UTC.
func (tx *Tx) Now() time.Time { return tx.now }

// Meta is the record's as this update and those before it left it, tombstones
// included; nil if it is unknown.
func (tx *Tx) Meta(key resource.Key) *Meta {
	if st := tx.over.records[key]; st != nil {
		return st.meta
	}
	if st := tx.batch.over.records[key]; st != nil {
		return st.meta
	}
	return tx.s.index.meta(key)
}

// Record is Meta with the payloads, which must not be changed;
// resource.NotFound if there is none.
func (tx *Tx) Record(key resource.Key) (*Record, error) {
	m := tx.Meta(key)
	if m == nil {
		return nil, errNotFound(key)
	}
	r := &Record{Meta: m}
	for kind, field := range r.fields() {
		var err error
		if *field, err = tx.payload(key, kind); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// payload is one payload of a record that exists.
func (tx *Tx) payload(key resource.Key, kind int) ([]byte, error) {
	for _, over := range []*overlay{&tx.over, &tx.batch.over} {
		if st := over.records[key]; st != nil && st.payloads[kind] != nil {
			return *st.payloads[kind], nil
		}
	}
	return tx.batch.payload(key, kind)
}

// Find lists the visible records of that data type, cluster and id, of whatever
// source, in the order of their sources.
func (tx *Tx) Find(dt resource.DataType, cluster, id string) []*Meta {
	at := spot{place{dt, cluster}, id}
	sources := slices.Concat(tx.s.index.sources(at.place, id), tx.batch.over.sources[at], tx.over.sources[at])
	slices.Sort(sources)
	var found []*Meta
	for _, source := range slices.Compact(sources) {
		m := tx.Meta(resource.Key{DataType: dt, Source: source, Cluster: cluster, ID: id})
		if m.Visible() {
			found = append(found, m)
		}
	}
	return found
}

// NextRevision is what the next visible Put gets.
func (tx *Tx) NextRevision() resource.Revision { return tx.over.head + 1 }

// TakeRevision uses up a revision without a change of a record.
func (tx *Tx) TakeRevision() resource.Revision {
	tx.over.head++
	return tx.over.head
}

// Write says what a Put changes beside the Meta. The store keeps the slices
// until the commit has ended: do not change them.
type Write struct {
	// Visible: watchers see the change. It gets a revision and an entry in the
	// history: Added, Modified or Deleted by whether the record is shown before
	// and after. A silent Put keeps the revision; one that shows or hides the
	// record is visible whatever this says.
	Visible bool
	// SpecChanged: spec, metadata or deletion changed, so that SpecRevision
	// becomes Revision.
	SpecChanged bool

	// Payloads: nil keeps what is there, a pointer to nothing removes it.
	Spec, Metadata, Status, NextSpec, NextMetadata, Local *[]byte
}

// changesObject tells whether more changes than how far the resource has travelled.
func (w *Write) changesObject() bool { return w.SpecChanged || w.Status != nil || w.Local != nil }

func (w *Write) payloads() payloads {
	return payloads{
		specPayload:         w.Spec,
		metadataPayload:     w.Metadata,
		statusPayload:       w.Status,
		nextSpecPayload:     w.NextSpec,
		nextMetadataPayload: w.NextMetadata,
		localPayload:        w.Local,
	}
}

// Put stages a record and returns it as it will be stored, with its revisions.
// A key or Meta that cannot be stored fails the update.
func (tx *Tx) Put(m Meta, w Write) *Meta {
	if err := checkKey(m.Key); err != nil {
		tx.fail(err)
		return &m
	}
	prev := tx.Meta(m.Key)
	next := tx.stamp(prev, m, w)
	tx.over.stage(next.Key, staged{meta: next, encoded: encodeMeta(next), payloads: w.payloads()})
	tx.over.changes = append(tx.over.changes, Change{Prev: prev, Meta: next})
	return next
}

// stamp gives m what is the store's to give, and writes a visible change into
// the history.
func (tx *Tx) stamp(prev *Meta, m Meta, w Write) *Meta {
	m.Revision, m.SpecRevision, m.CreatedRevision, m.ObjectRevision = 0, 0, 0, 0
	if prev != nil {
		m.Key, m.Revision, m.SpecRevision, m.CreatedRevision = prev.Key, prev.Revision, prev.SpecRevision, prev.CreatedRevision
		m.ObjectRevision = prev.ObjectRevision
	} else {
		m.Key = tx.s.index.intern(m.Key)
	}
	kind := kindOf(prev.Visible(), m.Visible(), w.Visible)
	if kind != "" {
		m.Revision = tx.note(kind, prev, &m)
	}
	if kind == Added {
		m.CreatedRevision = m.Revision
	}
	if w.SpecChanged || kind == Added {
		m.SpecRevision = m.Revision
	}
	if kind == Added || kind != "" && (w.changesObject() || m.Version != prev.Version) {
		m.ObjectRevision = m.Revision
	}
	tidy(&m)
	return &m
}

// kindOf is what watchers are told; "" is nothing.
func kindOf(before, after, visible bool) Kind {
	switch {
	case !before && after:
		return Added
	case before && !after:
		return Deleted
	case before && after && visible:
		return Modified
	}
	return ""
}

// note takes a revision for a visible change and writes it into the history.
// next is nil for a record that is removed.
func (tx *Tx) note(kind Kind, prev, next *Meta) resource.Revision {
	revision := tx.TakeRevision()
	tx.over.visible = revision
	line := logLine{revision: revision, kind: kind}
	if kind == Deleted {
		line.key, line.last = prev.Key, tx.lastSeen(prev, next)
	} else {
		line.key = next.Key
	}
	tx.over.lines = append(tx.over.lines, line)
	return revision
}

// lastSeen is prev's state, but that of a record which was deleting only in its
// last moment the time of that is kept too.
func (tx *Tx) lastSeen(prev, next *Meta) *LastSeen {
	metadata, err := tx.payload(prev.Key, metadataPayload)
	tx.fail(err)
	last := &LastSeen{Version: prev.Version, Created: prev.CreatedRevision, Born: prev.BornTime, Deleting: prev.Deleting, Alias: prev.Alias, Metadata: metadata}
	if last.Deleting.IsZero() && next != nil {
		last.Deleting = next.Deleting
	}
	return last
}

// Remove forgets a record altogether. A visible one is logged Deleted.
func (tx *Tx) Remove(key resource.Key) {
	prev := tx.Meta(key)
	if prev == nil {
		return
	}
	if prev.Visible() {
		tx.note(Deleted, prev, nil)
	}
	tx.over.stage(prev.Key, staged{payloads: noPayloads()})
	tx.over.changes = append(tx.over.changes, Change{Prev: prev})
}

// Setting is a small durable value as this update and those before it left it;
// nil if it is not set.
func (tx *Tx) Setting(name string) []byte {
	for _, over := range []*overlay{&tx.over, &tx.batch.over} {
		if value, ok := over.settings[name]; ok {
			return bytes.Clone(value)
		}
	}
	return bytes.Clone(tx.s.index.setting(name))
}

// SetSetting stages a setting; nil removes it. A name that is empty or longer
// than 4096 bytes fails the update.
func (tx *Tx) SetSetting(name string, value []byte) {
	if name == "" || len(name) > maxName {
		tx.fail(resource.Errorf(resource.InvalidArgument, "a setting's name must have 1 to %d bytes, not %d", maxName, len(name)))
		return
	}
	tx.over.set(name, bytes.Clone(value))
}

func (tx *Tx) fail(err error) { tx.err = cmp.Or(tx.err, err) }
