package localapi

import (
	"context"
	"iter"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Resources is what the resource calls need. A call that is not the role's
// returns resource.Forbidden.
type Resources interface {
	Get(ctx context.Context, key resource.Key) (*resource.Resource, error)
	List(ctx context.Context, req resource.ListRequest) (*resource.List, error)
	Put(ctx context.Context, req resource.PutRequest) (res *resource.Resource, created bool, err error)
	SetStatus(ctx context.Context, req resource.StatusRequest) (*resource.Resource, error)
	// Patch is a merge patch of what Put or SetStatus take.
	Patch(ctx context.Context, req resource.PatchRequest) (*resource.Resource, error)
	// Apply puts the items of all batches, in their order, each as Put would: one
	// that fails does not harm the others. It returns once all of it is durable.
	// An error among the batches ends it, and changes nothing more. A refusal
	// comes before the first batch is asked for.
	Apply(ctx context.Context, req resource.ApplyRequest, batches iter.Seq2[[]resource.ApplyItem, error]) (*resource.ApplyResult, error)
	// Delete returns done when nothing is left to wait for (200, not 202); the
	// resource may be nil then.
	Delete(ctx context.Context, req resource.DeleteRequest) (res *resource.Resource, done bool, err error)
	// DeleteCluster forgets every resource of a cluster that is no more.
	DeleteCluster(ctx context.Context, cluster string) (deleted int, err error)
	// Await returns the resource once it has reached the state, for a version
	// that is at least the one given; nil once it is gone. It returns
	// resource.DeadlineExceeded, with the resource, when ctx ends before.
	Await(ctx context.Context, key resource.Key, version int64, state resource.WaitFor) (*resource.Resource, error)
	// Watch calls send with batches in the order of their revisions until ctx
	// or send ends it. An error with code resource.Expired means: start again.
	Watch(ctx context.Context, req resource.WatchRequest, send func([]resource.WatchEvent) error) error
}

// Queues is what the queue calls need.
type Queues interface {
	Lease(ctx context.Context, req resource.LeaseRequest) ([]resource.LeaseItem, error)
	// Return puts leases back at once, unhandled: their caller has gone.
	Return(leases []string)
	Answer(ctx context.Context, lease string, result resource.WorkResult) error
	Requeue(ctx context.Context, req resource.RequeueRequest) (requeued int, err error)
	Queues() []resource.QueueStats
	Queue(name string) (resource.QueueStats, error)
	Dead(queue string) ([]resource.DeadItem, error)
	RetryDead(ctx context.Context, req resource.RequeueRequest) (retried int, err error)
	// DropDead takes dead keys for done.
	DropDead(ctx context.Context, req resource.RequeueRequest) (dropped int, err error)
}

// Control is what the calls about the sidecar itself need.
type Control interface {
	Role() resource.Role
	Resync(ctx context.Context, req resource.ResyncRequest) error
	Synced(ctx context.Context, scope resource.Scope) error
	Status() resource.Status
	Ready() []resource.Check
	// Shutdown begins an orderly end and returns at once.
	Shutdown()
}

// Backend is all of it: what a sidecar serves.
type Backend interface {
	Resources
	Queues
	Control
	Backups
}
