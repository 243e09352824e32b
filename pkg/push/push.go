package push

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Queues is where work comes from, and where its results go.
type Queues interface {
	Lease(ctx context.Context, req resource.LeaseRequest) ([]resource.LeaseItem, error)
	// Return puts leases back, unhandled and without a failure.
	Return(leases []string)
	Answer(ctx context.Context, lease string, result resource.WorkResult) error
}

// Codec is the JSON of items and results, which is the local API's.
type Codec interface {
	AppendItem(to []byte, item *resource.LeaseItem) []byte
	// DecodeResult reads the body of an answer; an empty one means done.
	DecodeResult(body []byte) (resource.WorkResult, error)
	MaxResultBytes() int64
}

// Options is what a Push is made of.
type Options struct {
	Queues  Queues
	Codec   Codec
	Source  string                // source attribute of CloudEvents, to which the queue is added
	Grace   func() time.Duration  // how long calls may go on when Run is to end
	Metrics prometheus.Registerer // nil = not registered
	Log     *slog.Logger          // nil = none
}

// Push runs push handlers.
type Push struct {
	options  Options
	metrics  *metrics
	changed  chan struct{} // a wanted handler does not run
	inFlight atomic.Int64  // items taken and not yet answered, of all handlers

	mu      sync.Mutex
	wanted  []Handler
	running map[string]*runner
}

// New makes a Push without handlers.
func New(o Options) (*Push, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Push{options: o, changed: make(chan struct{}, 1), running: map[string]*runner{}}
	p.metrics = newMetrics(p.Status)
	return p, p.metrics.register(o.Metrics)
}

// Set says which handlers are to run from now on; their names differ. Those
// that are unchanged go on undisturbed, the others stop taking work at once.
// It does not wait.
func (p *Push) Set(handlers []Handler) {
	p.mu.Lock()
	p.wanted = slices.Clone(handlers)
	p.retire()
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default: // Run will see these too
	}
}

// Run runs the handlers until ctx ends, and returns nil once every call has
// ended, within the grace time. It is called once.
func (p *Push) Run(ctx context.Context) error {
	calls, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var runners sync.WaitGroup
	for {
		p.start(ctx, calls, &runners)
		select {
		case <-p.changed:
		case <-ctx.Done():
			grace := time.AfterFunc(p.options.Grace(), cut)
			defer grace.Stop()
			runners.Wait()
			return nil
		}
	}
}

// retire ends the runners whose handler is no longer wanted as it is. The lock
// is held.
func (p *Push) retire() {
	for name, r := range p.running {
		if !slices.ContainsFunc(p.wanted, func(h Handler) bool { return h.equal(&r.handler) }) {
			r.stop()
			delete(p.running, name)
		}
	}
}

// start starts the runners that are missing.
func (p *Push) start(taking, calls context.Context, runners *sync.WaitGroup) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.wanted {
		h := p.wanted[i]
		if p.running[h.Name] != nil {
			continue
		}
		taking, stop := context.WithCancel(taking)
		r := newRunner(p, h, stop)
		p.running[h.Name] = r
		runners.Go(func() {
			defer stop()
			r.run(taking, calls)
			p.ended(h.Name)
		})
	}
}

// ended takes the metrics of a handler away, unless there is one of that name.
func (p *Push) ended(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running[name] == nil {
		p.metrics.forget(name)
	}
}

// Busy tells whether results are to come.
func (p *Push) Busy() bool { return p.inFlight.Load() > 0 }

// Status is the state of every handler, in the order in which they were set.
func (p *Push) Status() []resource.HandlerStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []resource.HandlerStatus
	for _, h := range p.wanted {
		if r := p.running[h.Name]; r != nil {
			all = append(all, r.status())
		}
	}
	return all
}
