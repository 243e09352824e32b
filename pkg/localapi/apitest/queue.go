package apitest

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Queue is the one queue that there is.
const Queue = "resources"

// work is a queue without retries' delays or lapsing leases.
type work struct {
	reasons  map[resource.Key][]string
	ready    []resource.Key
	leased   map[string]resource.Key
	attempts map[resource.Key]int
	dead     []resource.DeadItem
	next     int
	leasing  int  // calls of Lease under way
	stopped  bool // Lease waits no more
}

func newWork() work {
	return work{reasons: map[resource.Key][]string{}, leased: map[string]resource.Key{}, attempts: map[resource.Key]int{}}
}

func (w *work) add(key resource.Key, reason string) {
	if !slices.Contains(w.ready, key) {
		w.ready = append(w.ready, key)
	}
	if !slices.Contains(w.reasons[key], reason) {
		w.reasons[key] = append(w.reasons[key], reason)
	}
}

func known(queue string) error {
	if queue != Queue {
		return resource.Errorf(resource.NotFound, "there is no queue %q", queue)
	}
	return nil
}

// Lease is localapi.Queues.
func (b *Backend) Lease(ctx context.Context, req resource.LeaseRequest) ([]resource.LeaseItem, error) {
	if err := b.fail("Lease"); err != nil {
		return nil, err
	}
	if err := known(req.Queue); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, req.Wait)
	defer cancel()
	b.countLeasing(1)
	defer b.countLeasing(-1)
	for {
		items, changed, stopped := b.take(req)
		if len(items) > 0 || stopped {
			return items, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil
		}
	}
}

func (b *Backend) take(req resource.LeaseRequest) (items []resource.LeaseItem, changed chan struct{}, stopped bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.work.ready = slices.DeleteFunc(b.work.ready, func(key resource.Key) bool {
		fits := len(req.DataTypes) == 0 || slices.Contains(req.DataTypes, key.DataType)
		if !fits || len(items) == req.Max {
			return false
		}
		b.work.next++
		b.work.attempts[key]++
		item := resource.LeaseItem{Lease: "lease-" + strconv.Itoa(b.work.next), Key: key, Reasons: b.work.reasons[key], Attempt: b.work.attempts[key], Object: b.items[key]}
		b.work.leased[item.Lease] = key
		delete(b.work.reasons, key)
		items = append(items, item)
		return true
	})
	return items, b.changed, b.work.stopped
}

// Return is localapi.Queues.
func (b *Backend) Return(leases []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.called.returned = append(b.called.returned, leases...)
	for _, lease := range leases {
		if key, ok := b.work.leased[lease]; ok {
			delete(b.work.leased, lease)
			b.work.attempts[key]--
			b.work.add(key, "requeued")
		}
	}
	b.wake()
}

// Answer is localapi.Queues.
func (b *Backend) Answer(_ context.Context, lease string, result resource.WorkResult) error {
	if err := b.fail("Answer"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key, ok := b.work.leased[lease]
	if !ok {
		return resource.Errorf(resource.NotFound, "lease %.40q is unknown, lapsed or answered", lease)
	}
	if result.Status != nil {
		if _, err := b.setStatus(resource.StatusRequest{Key: key, Status: result.Status}); err != nil {
			return err
		}
	}
	if result.Result == resource.ResultExtend {
		return nil
	}
	delete(b.work.leased, lease)
	b.settle(key, result)
	return nil
}

func (b *Backend) settle(key resource.Key, result resource.WorkResult) {
	switch {
	case result.Deleted:
		if res, err := b.find(key); err == nil {
			b.change(resource.WatchDeleted, *res, "")
		}
	case result.NoRetry:
		b.work.dead = append(b.work.dead, resource.DeadItem{Key: key, Reasons: []string{"retry"}, Attempts: b.work.attempts[key], Error: result.Error, Since: *now()})
	case result.Result == resource.ResultFailed:
		b.work.add(key, "retry")
		b.wake()
	default:
		delete(b.work.attempts, key)
	}
}

// Requeue is localapi.Queues.
func (b *Backend) Requeue(_ context.Context, req resource.RequeueRequest) (int, error) {
	if err := known(req.Queue); err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	requeued := 0
	for _, res := range b.sorted() {
		if req.All || fitsKey(*req.Key, res.Key) {
			b.work.add(res.Key, "requeued")
			requeued++
		}
	}
	if requeued == 0 && !req.All {
		return 0, resource.Errorf(resource.NotFound, "there is no resource %s", req.Key)
	}
	b.wake()
	return requeued, nil
}

func fitsKey(want, have resource.Key) bool {
	if want.Source == "" {
		have.Source = ""
	}
	return want == have
}

// Queues is localapi.Queues.
func (b *Backend) Queues() []resource.QueueStats {
	stats, _ := b.Queue(Queue)
	return []resource.QueueStats{stats}
}

// Queue is localapi.Queues.
func (b *Backend) Queue(name string) (resource.QueueStats, error) {
	if err := known(name); err != nil {
		return resource.QueueStats{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return resource.QueueStats{Name: Queue, Depth: len(b.work.ready), InFlight: len(b.work.leased), Dead: len(b.work.dead)}, nil
}

// Dead is localapi.Queues.
func (b *Backend) Dead(queue string) ([]resource.DeadItem, error) {
	if err := known(queue); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.work.dead), nil
}

// RetryDead is localapi.Queues.
func (b *Backend) RetryDead(_ context.Context, req resource.RequeueRequest) (int, error) {
	return b.takeDead(req, func(key resource.Key) { b.work.add(key, "retry") })
}

// DropDead is localapi.Queues.
func (b *Backend) DropDead(_ context.Context, req resource.RequeueRequest) (int, error) {
	return b.takeDead(req, func(resource.Key) {})
}

// takeDead takes keys from the dead ones. The lock is held during then.
func (b *Backend) takeDead(req resource.RequeueRequest, then func(resource.Key)) (int, error) {
	if err := known(req.Queue); err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := 0
	b.work.dead = slices.DeleteFunc(b.work.dead, func(item resource.DeadItem) bool {
		if !req.All && !fitsKey(*req.Key, item.Key) {
			return false
		}
		taken++
		then(item.Key)
		return true
	})
	b.wake()
	if taken == 0 && !req.All {
		return 0, resource.Errorf(resource.NotFound, "there is no resource %s", req.Key)
	}
	return taken, nil
}

func (b *Backend) countLeasing(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.work.leasing += n
}

// StopLeasing ends the wait of every Lease, now and later.
func (b *Backend) StopLeasing() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.work.stopped = true
	b.wake()
}

// Leasing is how many calls of Lease are under way.
func (b *Backend) Leasing() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.work.leasing
}

// Returned is every lease that was returned so far, once there are n of them.
func (b *Backend) Returned(n int, limit time.Duration) []string {
	b.until(limit, func() bool { return len(b.called.returned) >= n })
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.called.returned)
}

func (b *Backend) until(limit time.Duration, reached func() bool) bool {
	deadline := time.After(limit)
	for {
		b.mu.Lock()
		done, changed := reached(), b.changed
		b.mu.Unlock()
		if done {
			return true
		}
		select {
		case <-changed:
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			return false
		}
	}
}

// WhenStored calls then once there is a resource with that key, or not at all
// if there is none within the limit.
func (b *Backend) WhenStored(key resource.Key, limit time.Duration, then func()) {
	if b.until(limit, func() bool { return b.items[key] != nil }) {
		then()
	}
}
