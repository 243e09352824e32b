package store

import (
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Meta is the small part of a record: it is kept in memory for every resource
// and on disk beside the payloads. A Meta that the store has handed out is
// never changed again; change a copy and Put it.
//
// The revisions are the store's; all else is the caller's.
type Meta struct {
	Key resource.Key

	Version         int64
	Revision        resource.Revision // of the last visible change
	SpecRevision    resource.Revision // of the last change with Write.SpecChanged
	CreatedRevision resource.Revision // at which this life of the resource became visible
	ObjectRevision  resource.Revision // of the last visible change of more than how far it has travelled
	ContentType     string            // of the spec; "" = there is no spec
	SpecTime        time.Time         // when the sender made the spec held
	BornTime        time.Time         // when the sender made the first spec of this life
	BornVersion     int64             // the first version of this life

	Deleting   time.Time // deletion timestamp; zero = not deleting
	DeleteTime time.Time // when the sender made the delete event
	Gone       time.Time // forgotten since: a tombstone, hidden from every view
	Confirmed  time.Time // of a tombstone: when the other side knew

	StatusVersion int64
	SequenceID    int64 // of the last status, of an earlier life too
	StatusHash    string
	RawHash       string // of the status in its own field order, if that is another
	HasStatus     bool

	// Alias is the name that this side gave a work, if it is not the one of the
	// metadata: of this life, and never told to the other side.
	Alias string

	Out   Outbox
	Queue Marks

	// Next describes a spec of the next life that waits beside a deleting one.
	Next *NextSpec
}

// Outbox is what is still to be told to the other side.
type Outbox struct {
	Pending          bool              // the newest state was not yet taken by the broker
	Dirty            resource.Revision // of the last change that the other side must be told
	Left             bool              // a publish was attempted in this life
	Confirmed        bool              // the other side has shown that it holds the newest state
	NoSubscribers    bool              // the broker took it, but nobody was there
	PublishedVersion int64
	PublishedAt      time.Time
	ObservedAt       time.Time
	Error            string
	Raises           []int64 // Unix seconds of the raises of the last hour
}

// Marks are a queue's durable marks on a key: there is work while Queued is
// above Done.
type Marks struct {
	Queued  resource.Revision // of the last change that the app should act on
	Done    resource.Revision // up to which it has
	Reasons []string          // of what is queued
	Dead    *Dead
}

// Due tells whether there is work to hand out.
func (m Marks) Due() bool { return m.Queued > m.Done && m.Dead == nil }

// Dead is a key that was given up.
type Dead struct {
	At       time.Time
	Attempts int
	Error    string
}

// NextSpec describes the payload kept aside.
type NextSpec struct {
	Version     int64
	Time        time.Time
	ContentType string
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
	Local        []byte // of this side only, never told to the other: a JSON object or nothing
}
