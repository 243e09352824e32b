package fleet

import (
	"context"

	"github.com/pillion-dev/pillion/test/interop/harness"
)

// The data type of devices, in the SDK's three parts.
const (
	Group    = "com.example.fleet"
	Version  = "v1alpha1"
	Plural   = "devices"
	DataType = Group + "." + Version + "." + Plural
)

// Link is what a peer needs in order to join.
type Link struct {
	Broker  *harness.Broker
	Layout  harness.Layout
	Source  string // source id
	Agent   string // agent id, of an agent
	Cluster string
}

// SubResource and Action are the last two parts of an event type.
type (
	SubResource string
	Action      string
)

// The events that an application publishes.
const (
	Spec   SubResource = "spec"
	Status SubResource = "status"

	Create Action = "create_request"
	Update Action = "update_request"
	Delete Action = "delete_request"
)

// Client is one connected client of an SDK.
type Client interface {
	Publish(ctx context.Context, sub SubResource, action Action, d Device) error
	// Resync asks a cluster for statuses, or a source for specs; the empty
	// name asks all.
	Resync(ctx context.Context, peer string) error
}

// Connector opens the generic clients of one version of an SDK. A client runs
// until ctx ends. Its handler changes the store, its lister reads it.
// subscribed is called, from any goroutine, each time that the application
// should resync.
type Connector interface {
	Source(ctx context.Context, link Link, gate *harness.Gate, store *Store, subscribed func()) (Client, error)
	Agent(ctx context.Context, link Link, gate *harness.Gate, store *Store, subscribed func()) (Client, error)
}
