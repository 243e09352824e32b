package store

import (
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Meta is the small part of a record: it is kept in memory for every resource
// and on disk beside the payloads. A Meta that the store has handed out is
// never changed again; change a copy and Put it.
//
// Revision, SpecRevision and CreatedRevision are the store's; all else is the
// caller's.
type Meta struct {
	Key resource.Key `json:"-"`

	Version         int64             `json:"v,omitempty"`
	Revision        resource.Revision `json:"r"`            // of the last visible change
	SpecRevision    resource.Revision `json:"rs,omitempty"` // of the last change with Write.SpecChanged
	CreatedRevision resource.Revision `json:"rc,omitempty"` // at which this life of the resource became visible
	ContentType     string            `json:"ct,omitempty"` // of the spec; "" = there is no spec
	SpecTime        time.Time         `json:"ts,omitzero"`  // when the sender made the spec held
	BornTime        time.Time         `json:"tb,omitzero"`  // when the sender made the first spec of this life
	BornVersion     int64             `json:"vb,omitempty"` // the first version of this life

	Deleting   time.Time `json:"td,omitzero"`  // deletion timestamp; zero = not deleting
	DeleteTime time.Time `json:"tde,omitzero"` // when the sender made the delete event
	Gone       time.Time `json:"tg,omitzero"`  // forgotten since: a tombstone, hidden from every view
	Confirmed  time.Time `json:"tgc,omitzero"` // of a tombstone: when the other side knew

	StatusVersion int64  `json:"sv,omitempty"`
	SequenceID    int64  `json:"sq,omitempty"` // of the status held
	StatusHash    string `json:"sh,omitempty"`
	RawHash       string `json:"sw,omitempty"` // of the status in its own field order, if that is another
	HasStatus     bool   `json:"st,omitempty"`

	Out   Outbox `json:"o,omitzero"`
	Queue Marks  `json:"q,omitzero"`

	// Next describes a spec of the next life that waits beside a deleting one.
	Next *NextSpec `json:"n,omitempty"`
}

// Outbox is what is still to be told to the other side.
type Outbox struct {
	Pending          bool              `json:"p,omitempty"` // the newest state was not yet taken by the broker
	Dirty            resource.Revision `json:"d,omitempty"` // of the last change that the other side must be told
	Left             bool              `json:"l,omitempty"` // a publish was attempted in this life
	Confirmed        bool              `json:"c,omitempty"` // the other side has shown that it holds the newest state
	NoSubscribers    bool              `json:"n,omitempty"` // the broker took it, but nobody was there
	PublishedVersion int64             `json:"v,omitempty"`
	PublishedAt      time.Time         `json:"t,omitzero"`
	ObservedAt       time.Time         `json:"ob,omitzero"`
	Error            string            `json:"e,omitempty"`
	Raises           []int64           `json:"ra,omitempty"` // Unix seconds of the raises of the last hour
}

// Marks are a queue's durable marks on a key: there is work while Queued is
// above Done.
type Marks struct {
	Queued  resource.Revision `json:"q,omitempty"` // of the last change that the app should act on
	Done    resource.Revision `json:"d,omitempty"` // up to which it has
	Reasons []string          `json:"r,omitempty"` // of what is queued
	Dead    *Dead             `json:"x,omitempty"`
}

// Due tells whether there is work to hand out.
func (m Marks) Due() bool { return m.Queued > m.Done && m.Dead == nil }

// Dead is a key that was given up.
type Dead struct {
	At       time.Time `json:"t"`
	Attempts int       `json:"n"`
	Error    string    `json:"e,omitempty"`
}

// NextSpec describes the payload kept aside.
type NextSpec struct {
	Version     int64     `json:"v,omitempty"`
	Time        time.Time `json:"t"`
	ContentType string    `json:"ct,omitempty"`
}

// Visible tells whether the record is shown: not a tombstone.
func (m *Meta) Visible() bool { return m != nil && m.Gone.IsZero() }

// Record is a Meta with its payloads.
type Record struct {
	*Meta
	Spec         []byte
	Metadata     []byte // a JSON object or nothing
	Status       []byte // a JSON object or nothing
	NextSpec     []byte
	NextMetadata []byte
}
