package fleet

import (
	"context"
	"sync"
	"time"
)

// The pace of an application that insists.
const (
	publishTimeout = 3 * time.Second
	retryEvery     = 100 * time.Millisecond
)

// job is one publish to be done.
type job struct {
	id     string
	sub    SubResource
	action Action
	then   func() // after the broker has taken it; may be nil
}

// outbox keeps what is to be published until the broker has taken it: the SDK
// fails a publish while it is disconnected and leaves the rest to the
// application.
type outbox struct {
	mu      sync.Mutex
	jobs    []job
	changed chan struct{} // holds a token while there may be work
}

func newOutbox() *outbox { return &outbox{changed: make(chan struct{}, 1)} }

func (o *outbox) add(j job) {
	o.mu.Lock()
	o.jobs = append(o.jobs, j)
	o.mu.Unlock()
	o.wake()
}

func (o *outbox) wake() {
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

func (o *outbox) head() (job, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.jobs) == 0 {
		return job{}, false
	}
	return o.jobs[0], true
}

func (o *outbox) done() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.jobs = o.jobs[1:]
}

// run publishes in order, each until it is taken, with the newest state of the
// device. It returns when ctx ends; what is left waits for the next run.
func (o *outbox) run(ctx context.Context, store *Store, client Client) {
	for ctx.Err() == nil {
		j, ok := o.head()
		switch {
		case !ok:
			o.await(ctx)
		case publish(ctx, store, client, j) == nil:
			o.done()
			if j.then != nil {
				j.then()
			}
		default:
			pause(ctx)
		}
	}
}

func (o *outbox) await(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-o.changed:
	}
}

func publish(ctx context.Context, store *Store, client Client, j job) error {
	d, ok := store.Get(j.id)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	return client.Publish(ctx, j.sub, j.action, d)
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(retryEvery):
	}
}
