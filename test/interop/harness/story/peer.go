package story

import (
	"encoding/json"
	"testing"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
)

// Peer is one side of a story.
type Peer interface {
	// Start connects and returns once the peer is subscribed and has asked
	// the other side for a resync.
	Start(t testing.TB)
	// Stop goes away; the memory stays.
	Stop(t testing.TB)
	// Gate stands between the started peer and the broker.
	Gate() *harness.Gate
	// Get reads one resource from the peer's memory.
	Get(t testing.TB, id string) (fleet.Device, bool)
	// Resync asks the other side again: a source its cluster for statuses, an
	// agent its source for specs.
	Resync(t testing.TB)
}

// Source declares resources. Its calls return at once, with the broker away
// too.
type Source interface {
	Peer
	Put(t testing.TB, id string, spec json.RawMessage)
	// Delete asks for deletion; the resource stays until the agent confirms.
	Delete(t testing.TB, id string)
	// Forget removes a resource without waiting for the agent.
	Forget(t testing.TB, id string)
}

// Agent runs resources.
type Agent interface {
	Peer
	// Report sets and publishes the status of a resource.
	Report(t testing.TB, id string, status json.RawMessage)
	// Confirm finishes a deletion.
	Confirm(t testing.TB, id string)
	// Wipe makes a stopped agent forget everything.
	Wipe(t testing.TB)
}
