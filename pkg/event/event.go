// Package event is the wire contract of the OCM CloudEvents resource protocol
// as pure code: event types, extension attributes, resync payloads, sequence
// ids and status hashes, and the way from an Event to a CloudEvent and back.
// The rules are those of docs/protocol.md.
package event

import (
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Event is one message of the protocol, decoded: a spec, a status, or a resync
// request. Which fields are set follows from Type; the zero value of a field
// means that the attribute is absent, except for Cluster and OriginalSource,
// which every event carries even when they are empty.
type Event struct {
	ID     string    // UUID of this event; made by CloudEvent when empty
	Source string    // the sender's id: of the source, or of the agent
	Type   Type      //
	Time   time.Time // when the sender made the event; set by CloudEvent when zero

	Cluster           string     // extension clustername; empty in a broadcast by a source
	OriginalSource    string     // extension originalsource; an agent names the owner of the resource
	ResourceID        string     // extension resourceid
	ResourceVersion   int64      // extension resourceversion; 0 = the source keeps no versions
	SequenceID        string     // extension sequenceid, of a status
	DeletionTimestamp *time.Time // extension deletiontimestamp: presence = deleting, and then no payload
	StatusHash        string     // extension statushash, of a status
	Metadata          string     // extension metadata, a JSON object
	LogTracing        string     // extension logtracing, a JSON object

	Payload resource.Payload
}
