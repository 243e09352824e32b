package push

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/pillion-dev/pillion/pkg/resource"
)

const (
	leaseWait   = time.Minute      // how long a worker waits for work at a time
	leaseMargin = 10 * time.Second // what a lease lasts beyond its call: for the result to be stored
	pauseTime   = time.Second      // after a queue that gave neither work nor time
	logsASecond = 10               // of failed calls; the metric counts all
)

// runner is one handler at work.
type runner struct {
	push    *Push
	handler Handler
	stop    context.CancelFunc // it takes nothing more
	client  *http.Client
	health  *http.Client
	gate    *gate
	log     *slog.Logger
	logs    *rate.Limiter

	inFlight atomic.Int64

	mu        sync.Mutex
	failures  int    // to reach the app, since it answered last
	reported  bool   // such a failure is in the log
	lastError string // "" = the app was reached and did what it was asked
}

func newRunner(p *Push, h Handler, stop context.CancelFunc) *runner {
	return &runner{
		push: p, handler: h, stop: stop,
		client: newClient(h.URL, h.Concurrency), health: newClient(h.HealthURL, 1),
		gate: newGate(),
		log:  p.options.Log.With("handler", h.Name),
		logs: rate.NewLimiter(logsASecond, logsASecond),
	}
}

// run takes work until taking ends, and returns when the calls have ended.
// They are cut when calls ends.
func (r *runner) run(taking, calls context.Context) {
	defer r.client.CloseIdleConnections()
	defer r.health.CloseIdleConnections()
	var group sync.WaitGroup
	group.Go(func() { r.watch(taking) })
	for range r.handler.Concurrency {
		group.Go(func() { r.work(taking, calls) })
	}
	group.Wait()
}

// work takes one item after the other while the app can be called.
func (r *runner) work(taking, calls context.Context) {
	for {
		up, ok := r.gate.await(taking)
		if !ok {
			return
		}
		if item, ok := r.take(up); ok {
			r.handle(calls, up, item)
			r.count(-1)
		}
	}
}

// count is called with 1 for an item taken, and with -1 for one given back.
func (r *runner) count(n int64) {
	r.inFlight.Add(n)
	r.push.inFlight.Add(n)
}

// take waits for an item, while the app is up.
func (r *runner) take(up context.Context) (*resource.LeaseItem, bool) {
	began := time.Now()
	items, err := r.push.options.Queues.Lease(up, resource.LeaseRequest{
		Queue: r.handler.Queue, Max: 1, Wait: leaseWait,
		LeaseFor: r.handler.Timeout + leaseMargin, DataTypes: r.handler.DataTypes,
	})
	switch {
	case len(items) > 0 && up.Err() == nil:
		r.count(1)
		return &items[0], true
	case len(items) > 0: // the app went away in the meantime
		r.push.options.Queues.Return([]string{items[0].Lease})
	case up.Err() != nil:
	case err != nil:
		r.log.Error("push handler cannot take work", "queue", r.handler.Queue, "error", err)
		pause(up, pauseTime)
	case time.Since(began) < leaseWait/2: // the queue has ended
		pause(up, pauseTime)
	}
	return nil, false
}

// handle calls the app with an item and gives back what came of it.
func (r *runner) handle(calls, up context.Context, item *resource.LeaseItem) {
	began := time.Now()
	code, result := r.call(calls, item)
	if !answered(code) && calls.Err() != nil { // cut: the time to end is over
		r.push.options.Queues.Return([]string{item.Lease})
		return
	}
	r.push.metrics.observe(r.handler.Name, code, time.Since(began))
	if code == codeUnreachable {
		r.unreachable(up, result.Error) // first, so that nobody takes it in vain
		r.push.options.Queues.Return([]string{item.Lease})
		return
	}
	r.judge(up, code, result)
	r.settle(calls, item, code, result)
}

// judge says what a call tells about the app as a whole. With a health URL
// that is asked whenever there is doubt.
func (r *runner) judge(up context.Context, code string, result resource.WorkResult) {
	if result.Result == resource.ResultFailed {
		r.setError(result.Error)
	} else {
		r.setError("")
	}
	switch {
	case r.handler.HealthURL != Target{} && (!answered(code) || code == codeBusy):
		r.gate.shut(up)
	case answered(code):
		r.reached()
	}
}

// settle answers the lease. An answer that the app may not give, such as a
// status at a source, is a failure of the app.
func (r *runner) settle(calls context.Context, item *resource.LeaseItem, code string, result resource.WorkResult) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(calls), leaseMargin)
	defer cancel()
	err := r.push.options.Queues.Answer(ctx, item.Lease, result)
	if refuses(err) {
		result = failed("the result of the app cannot be taken: " + err.Error())
		r.setError(result.Error)
		err = r.push.options.Queues.Answer(ctx, item.Lease, result)
	}
	switch {
	case err != nil && resource.CodeOf(err) != resource.NotFound:
		r.log.Error("push result not stored; the item comes back when its lease lapses", keyOf(item), "error", err)
	case result.Result == resource.ResultFailed && r.logs.Allow():
		r.log.Warn("push failed", keyOf(item), "attempt", item.Attempt, "code", code)
	}
}

// refuses tells a result that is wrong from one that cannot be stored now.
func refuses(err error) bool {
	if err == nil {
		return false
	}
	switch resource.CodeOf(err) {
	case resource.InvalidArgument, resource.Forbidden, resource.Conflict, resource.DeletingCode, resource.TooLarge:
		return true
	}
	return false
}

func keyOf(item *resource.LeaseItem) slog.Attr {
	return slog.Group("key", "dataType", string(item.Key.DataType), "source", item.Key.Source, "cluster", item.Key.Cluster, "id", item.Key.ID)
}

func (r *runner) status() resource.HandlerStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return resource.HandlerStatus{
		Name: r.handler.Name, URL: r.handler.URL.String(),
		Up: r.gate.isOpen(), InFlight: int(r.inFlight.Load()), LastError: r.lastError,
	}
}

// maxErrorBytes bounds what is kept of an error, which may be the app's.
const maxErrorBytes = 1024

func (r *runner) setError(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastError = text[:min(len(text), maxErrorBytes)]
}

// pause waits, and tells whether ctx still lasts.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// around is d, a fifth more or less: handlers of one app must not look for it
// in step.
func around(d time.Duration) time.Duration {
	return d*4/5 + rand.N(d*2/5+1)
}
