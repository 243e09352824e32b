package queue

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Options are a queue's settings. A field that is not positive has its
// default, the one of Kubernetes controllers.
type Options struct {
	Name         string        // label of the metrics; fixed by New
	RetryInitial time.Duration // wait after a key's first failure, doubled with each; default 5ms
	RetryMax     time.Duration // longest such wait; default 1000s
	QPS          float64       // retries a second over all keys; default 10
	Burst        int           // retries at once before QPS counts; default 100
}

func (o Options) withDefaults() Options {
	if o.RetryInitial <= 0 {
		o.RetryInitial = 5 * time.Millisecond
	}
	if o.RetryMax <= 0 {
		o.RetryMax = 1000 * time.Second
	}
	if o.QPS <= 0 {
		o.QPS = 10
	}
	if o.Burst <= 0 {
		o.Burst = 100
	}
	return o
}

// Queue is a work queue over keys. All methods may be called from any
// goroutine; Run must run for leases to lapse and waits to end.
type Queue[K comparable] struct {
	mu      sync.Mutex
	options Options
	limiter *rate.Limiter
	closed  bool // Run has ended

	entries map[K]*entry[K]
	leases  map[string]*entry[K] // leased or claimed, by lease id
	ready   list[entry[K]]       // by time of becoming ready
	running list[entry[K]]       // leased or claimed, by time of hand-out

	searching list[waiter[K]] // callers of Lease who go through the ready keys
	waiters   list[waiter[K]] // those who found nothing, by time of having come

	timers timers[K]     // waiting keys and unclaimed leases, by due time
	armed  time.Time     // what Run's timer is set to; zero = it is not
	wake   chan struct{} // tells Run to look now

	epoch    time.Time
	startSum time.Duration // sum of the running leases' starts since epoch; see Stats
	metrics  metrics
}

// New returns an empty queue.
func New[K comparable](o Options) *Queue[K] {
	o = o.withDefaults()
	return &Queue[K]{
		options: o,
		limiter: rate.NewLimiter(rate.Limit(o.QPS), o.Burst),
		entries: make(map[K]*entry[K]),
		leases:  make(map[string]*entry[K]),
		wake:    make(chan struct{}, 1),
		epoch:   time.Now(),
		metrics: newMetrics(o.Name),
	}
}

// SetOptions changes the retry settings. Waits that have begun stay as they
// are, and so does the name.
func (q *Queue[K]) SetOptions(o Options) {
	o = o.withDefaults()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.options = o
	q.limiter.SetLimit(rate.Limit(o.QPS))
	q.limiter.SetBurst(o.Burst)
}

// Add says that there is work for key. It is ready now, also if it was waiting
// for a retry; if it is leased, it is ready after the answer. A key that is
// ready already keeps its place, and those who wait are asked again. Nothing
// brings a key back before the least time that a Failure has asked for.
func (q *Queue[K]) Add(key K) { q.AddAfter(key, 0) }

// AddAfter is Add for a time to come. A key that is due earlier stays so.
func (q *Queue[K]) AddAfter(key K, d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	e := q.entry(key)
	due := later(now.Add(max(d, 0)), e.floor)
	switch {
	case e.lease != nil:
		e.lease.note(due)
	case e.place == ready:
		if d <= 0 {
			q.reconsider(e, now)
		}
	case e.place != waiting || due.Before(e.due):
		q.makeDue(e, due, now)
	}
}

// Remove says that there is no work for key any more; its failures are
// forgotten. A lease that is out stays valid, but does not bring the key back
// by lapsing or by Return.
func (q *Queue[K]) Remove(key K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.entries[key]
	switch {
	case e == nil:
	case e.lease != nil:
		e.lease.again, e.lease.removed = time.Time{}, true
		e.forgive()
	default:
		q.forget(e)
	}
}
