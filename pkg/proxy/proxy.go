package proxy

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/queue"
	"github.com/pillion-dev/pillion/pkg/reconnect"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
	"github.com/pillion-dev/pillion/pkg/transport"
)

// Proxy is the engine of one sidecar: one role, one broker connection, one
// store. It implements the backend of the local API; its calls work from New
// on, with or without a broker.
type Proxy struct {
	opts    Options
	log     *slog.Logger
	store   *store.Store
	side    side
	live    atomic.Pointer[Live]
	limiter *rate.Limiter
	loop    *reconnect.Loop
	outbox  *outbox
	work    *work
	answers *answerer
	asks    *asker
	guard   *guard
	metrics *metrics

	shows  *views    // what watchers are shown
	feed   *feed     // to watchers
	begins *listings // of watches

	began resource.Revision // of the store when the proxy was made

	mu      sync.Mutex
	driver  transport.Driver
	stalled error // why received events cannot be stored

	online    atomic.Bool
	lastEvent atomic.Int64 // Unix nanoseconds
	stop      chan struct{}
	stopOnce  sync.Once
}

// side is what differs between a source and an agent.
type side interface {
	// peer is whom a resource is told to: its cluster, or its source.
	peer(resource.Key) string
	// sender is the peer that an event comes from.
	sender(*event.Event) string
	// screen refuses events that this role does not take: a drop reason or "".
	screen(*event.Event) string
	// receive stores an event about one resource.
	receive(*store.Tx, *event.Event) (outcome, error)
	// answer answers a resync request.
	answer(context.Context, *event.Event) error
	// questions lists what to ask about: every peer and data type known.
	questions() []question
	// group is what a question to that peer is about.
	group(peer string, d resource.DataType) resource.Group
	// requests makes the resync request of a question.
	requests(q *question, maxPayload int) ([]*event.Event, error)
	// depart stores what must be on disk before a record is sent, and returns
	// the record to send.
	depart(context.Context, *store.Record, shipment) (*store.Record, error)
	// compose makes the event that tells a record, nil if there is nothing to
	// tell any more.
	compose(*store.Record, shipment) (*event.Event, error)
	// taken stores that the broker took the event of that record, and says
	// whether the key should be sent again if nothing confirms it.
	taken(tx *store.Tx, sent *store.Meta, none bool) (repeats bool, err error)
	// state is what the local API shows.
	state(*store.Meta) resource.SyncState
	// unsettled tells whether, after a start, a record must be sent again.
	unsettled(*store.Meta) bool
	// keep is how long a tombstone is remembered after it was settled.
	keep() time.Duration
	settledSince(*store.Meta) time.Time
}

// outcome is what became of a received event.
type outcome struct {
	news bool   // it changed something here
	drop string // why it was dropped; "" = it was not
}

// New makes a proxy over an open store. Everything that the store still owes
// to the app or to the other side is taken up.
func New(o Options) (*Proxy, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Proxy{opts: o, log: o.Log, store: o.Store, driver: o.Driver, began: o.Store.Revision(), stop: make(chan struct{})}
	p.live.Store(&o.Live)
	p.limiter = rate.NewLimiter(publishLimit(o.Live.Limits))
	p.loop = reconnect.NewLoop(o.Live.Reconnect, o.Log)
	if o.Role == resource.Source {
		p.side = &source{Proxy: p}
	} else {
		p.side = &agent{Proxy: p}
	}
	p.outbox = newOutbox(p.side.peer)
	p.work = &work{Proxy: p, queue: queue.New[resource.Key](retryOptions(o.Live.Retry))}
	p.answers = newAnswerer(p)
	p.asks = newAsker(p)
	p.guard = newGuard(p)
	p.shows, p.feed, p.begins = newViews(p), newFeed(p), &listings{Proxy: p}
	p.metrics = newMetrics(p)
	p.loop.OnChange(p.connectionChanged)
	p.store.OnCommit(p.committed)
	p.takeUp()
	return p, p.metrics.register(o.Metrics)
}

// deleteRepeat is how soon after the begin of the first session a delete is told
// again that nobody has confirmed. An agent's listing confirms specs, but never a
// deletion: there is nothing to wait for, but a confirmation that is on its way.
const deleteRepeat = time.Second

// takeUp fills queue and outbox from the marks in the store.
func (p *Proxy) takeUp() {
	repeat := time.Now().Add(firstRepeat)
	for m := range p.store.All() {
		if m.Queue.Due() {
			p.work.queue.Add(m.Key)
		}
		switch {
		case m.Out.Pending:
			p.outbox.mark(m.Key, reason{}, true)
		case !p.side.unsettled(m):
		case !m.Deleting.IsZero() || !m.Gone.IsZero():
			p.outbox.opening(m.Key, deleteRepeat, repeat)
		default:
			p.outbox.after(m.Key, reason{}, repeat)
		}
	}
}

// committed tells outbox and queue about what a commit has marked. It runs on
// the store's committer, after the commit.
func (p *Proxy) committed(changes []store.Change) {
	for _, c := range changes {
		if c.Meta == nil {
			p.work.queue.Remove(c.Prev.Key)
			p.outbox.forget(c.Prev.Key)
			continue
		}
		var before store.Meta
		if c.Prev != nil {
			before = *c.Prev
		}
		if c.Meta.Out.Pending && c.Meta.Out.Dirty > before.Out.Dirty {
			p.outbox.mark(c.Meta.Key, reason{}, true)
		}
		if c.Meta.Queue.Due() && (c.Meta.Queue.Queued > before.Queue.Queued || !before.Queue.Due()) {
			p.work.queue.Add(c.Meta.Key)
		}
	}
}

// Run serves until ctx ends or Shutdown is called; then it publishes what is
// pending, within the grace time, connecting for it if it must, and closes the
// session. The order at the end: outbox drained, session closed, then queue,
// answers and janitor.
func (p *Proxy) Run(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var group errgroup.Group
	connected := make(chan struct{})
	sessions, endSessions := context.WithCancel(inner)
	defer endSessions()
	group.Go(func() error {
		defer close(connected)
		return p.loop.Run(sessions, p.session)
	})
	group.Go(func() error { return p.work.queue.Run(inner) })
	group.Go(func() error { return p.answers.run(inner) })
	group.Go(func() error { return p.janitor(inner) })
	select {
	case <-ctx.Done():
	case <-p.stop:
	}
	p.Shutdown() // whoever waits for it is told, however the end began
	p.drain(p.live.Load().ShutdownGrace)
	endSessions()
	<-connected
	cancel()
	return ignoreCanceled(group.Wait())
}

// Shutdown begins an orderly end and returns at once.
func (p *Proxy) Shutdown() { p.stopOnce.Do(func() { close(p.stop) }) }

// Stopping is closed when Shutdown has been called.
func (p *Proxy) Stopping() <-chan struct{} { return p.stop }

// drain waits until nobody is busy and the outbox is empty, or the grace time
// has passed. If there is no session, the next one is tried at once.
func (p *Proxy) drain(grace time.Duration) {
	if p.owes() {
		p.loop.Hurry()
	}
	deadline := time.Now().Add(grace)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for p.owes() && time.Now().Before(deadline) {
		<-tick.C
	}
}

// owes tells whether there is, or may yet be, something to publish.
func (p *Proxy) owes() bool { return p.opts.Busy != nil && p.opts.Busy() || !p.outbox.idle() }

// Pending counts what the broker has not taken yet: changes, and confirmations
// of deletions.
func (p *Proxy) Pending() int {
	n := 0
	for m := range p.store.All() {
		if m.Out.Pending && !p.outbox.wasTold(m.Key) {
			n++
		}
	}
	return n
}

// Reconfigure puts new settings in effect. The driver is used for the next
// connection, which is made at once only if reconnect is set.
func (p *Proxy) Reconfigure(live Live, driver transport.Driver, reconnect bool) {
	before := p.live.Swap(&live)
	limit, burst := publishLimit(live.Limits)
	p.limiter.SetLimit(limit)
	p.limiter.SetBurst(burst)
	p.loop.SetPolicy(live.Reconnect)
	p.work.queue.SetOptions(retryOptions(live.Retry))
	p.mu.Lock()
	p.driver = driver
	p.mu.Unlock()
	switch {
	case reconnect:
		p.loop.Restart("the configuration has changed")
	case !slices.Equal(before.DataTypes, live.DataTypes) || !reflect.DeepEqual(before.Resync, live.Resync):
		p.asks.refresh()
	}
}

func publishLimit(l Limits) (rate.Limit, int) {
	if l.PublishQPS <= 0 {
		return rate.Inf, 1
	}
	return rate.Limit(l.PublishQPS), max(l.PublishBurst, 1)
}

func retryOptions(r Retry) queue.Options {
	return queue.Options{Name: resourcesQueue, RetryInitial: r.Initial, RetryMax: r.Max}
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
