package resource

import (
	"encoding/json"
	"strconv"
	"time"
)

// Role is the side of the protocol that a sidecar speaks.
type Role string

// The two roles (protocol.md, "Who says what").
const (
	Source Role = "source"
	Agent  Role = "agent"
)

// Other is the role on the other side.
func (r Role) Other() Role {
	if r == Source {
		return Agent
	}
	return Source
}

// SyncState says how far a resource has travelled (api.md, "A resource").
type SyncState string

// The states. At an agent Pending and Published are those of the status, and
// what has none is Published: nothing waits.
const (
	Pending   SyncState = "pending"   // stored here, not yet taken by the broker
	Published SyncState = "published" // taken by the broker
	Observed  SyncState = "observed"  // a status for this version came back
	Deleting  SyncState = "deleting"  // until the agent has confirmed
)

// Sync is how far a resource has travelled.
type Sync struct {
	State            SyncState  `json:"state"`
	PublishedVersion int64      `json:"publishedVersion"`
	PublishedAt      *time.Time `json:"publishedAt,omitempty"`
	ObservedAt       *time.Time `json:"observedAt,omitempty"`
	Error            string     `json:"error"`
}

// Revision numbers the changes of one store. It is a string in JSON, because
// it starts at the clock in microseconds and JavaScript numbers end at 2^53.
type Revision uint64

// String is the decimal form.
func (r Revision) String() string { return strconv.FormatUint(uint64(r), 10) }

// MarshalText writes the decimal form.
func (r Revision) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the decimal form.
func (r *Revision) UnmarshalText(text []byte) error {
	revision, err := ParseRevision(string(text))
	*r = revision
	return err
}

// ParseRevision reads the decimal form.
func ParseRevision(s string) (Revision, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, Errorf(InvalidArgument, "revision %.40q is not a decimal number", s)
	}
	return Revision(n), nil
}

// Resource is one resource as the local API shows it.
type Resource struct {
	Key
	Version           int64           `json:"version"`
	Revision          Revision        `json:"revision"`
	Spec              json.RawMessage `json:"spec,omitempty"`
	SpecBase64        []byte          `json:"specBase64,omitempty"`  // a spec that is not JSON
	ContentType       string          `json:"contentType,omitempty"` // of SpecBase64
	Metadata          json.RawMessage `json:"metadata,omitempty"`
	DeletionTimestamp *time.Time      `json:"deletionTimestamp"`
	Status            json.RawMessage `json:"status,omitempty"`
	StatusVersion     int64           `json:"statusVersion"`
	SequenceID        string          `json:"sequenceID,omitempty"`
	StatusHash        string          `json:"statusHash,omitempty"`
	Sync              Sync            `json:"sync"`
}

// Payload is a spec as it travels: bytes and their media type.
type Payload struct {
	Data        []byte
	ContentType string // "" = no payload
}

// JSONContentType is the media type of JSON payloads.
const JSONContentType = "application/json"
