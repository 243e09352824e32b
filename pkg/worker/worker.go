package worker

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Queue is what a worker needs of a sidecar; client.Client is one.
type Queue interface {
	Lease(ctx context.Context, req resource.LeaseRequest) ([]resource.LeaseItem, error)
	Answer(ctx context.Context, lease string, result resource.WorkResult) error
}

// Options is what a worker does.
type Options struct {
	Queue       Queue
	Request     resource.LeaseRequest // Max: items at a time, and no more than there are places
	Command     []string              // name and arguments
	Env         []string              // beside that of this process and of the item
	Concurrency int

	Timeout time.Duration   // of one command; 0 = none
	Grace   time.Duration   // for the commands that run when the context ends
	Hurry   <-chan struct{} // closed: the grace is over

	Agent          bool // status and deletions can be reported
	ConfirmDeletes bool // exit code 0 confirms a deletion
	Once           bool // end after one lease
	UntilEmpty     bool // end when nothing is ready

	Stdout, Stderr io.Writer
	Log            *slog.Logger
}

// Summary counts what became of the items.
type Summary struct{ Done, Failed int }

// worker is one Run.
type worker struct {
	Options
	commands context.Context // ends when commands have to
	stopping <-chan struct{}
	stopped  time.Time // guarded by mu; when stopping began
	places   chan struct{}
	running  sync.WaitGroup
	turns    turns
	stdout   *lines
	stderr   *lines

	mu      sync.Mutex
	summary Summary
}

// Run works until ctx ends, or as Once and UntilEmpty say. The error is why the
// sidecar cannot be asked for work; with Once and UntilEmpty also that it is not
// there.
func Run(ctx context.Context, o Options) (Summary, error) {
	commands, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	w := &worker{Options: o, commands: commands, stopping: ctx.Done(), places: make(chan struct{}, o.Concurrency),
		stdout: newLines(o.Stdout), stderr: newLines(o.Stderr)}
	ended := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { w.watch(ctx, ended, cut) })
	err := w.work(ctx)
	w.running.Wait()
	close(ended)
	watch.Wait()
	if ctx.Err() != nil {
		err = nil // that is how a worker ends
	}
	return w.summary, err
}

// watch ends the commands once the grace after ctx is over.
func (w *worker) watch(ctx context.Context, ended <-chan struct{}, cut func()) {
	select {
	case <-ctx.Done():
	case <-ended:
		return
	}
	w.mu.Lock()
	w.stopped = time.Now()
	w.mu.Unlock()
	grace := time.NewTimer(w.Grace)
	defer grace.Stop()
	select {
	case <-grace.C:
	case <-w.Hurry:
	case <-ended:
	}
	cut()
}

// work takes items and starts their commands.
func (w *worker) work(ctx context.Context) error {
	for idle := false; ; {
		items, err := w.take(ctx)
		if err != nil {
			return err
		}
		for _, item := range items {
			w.running.Go(func() { w.handle(item) })
		}
		switch {
		case w.Once:
			return nil
		case w.UntilEmpty && len(items) == 0 && idle:
			return nil
		case w.UntilEmpty && len(items) == 0:
			w.running.Wait() // what failed may be ready again
			idle = true
		default:
			idle = false
		}
	}
}

// take waits for places and then for items, each of which holds a place.
func (w *worker) take(ctx context.Context) ([]resource.LeaseItem, error) {
	req := w.Request
	req.Max = w.reserve(ctx)
	if req.Max == 0 {
		return nil, ctx.Err()
	}
	items, err := w.lease(ctx, req)
	for range req.Max - len(items) {
		<-w.places
	}
	return items, err
}

// reserve waits for a place and takes what is free besides, up to Request.Max.
func (w *worker) reserve(ctx context.Context) (n int) {
	select {
	case w.places <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	for n = 1; n < w.Request.Max; n++ {
		select {
		case w.places <- struct{}{}:
		default:
			return n
		}
	}
	return n
}

// handle does the work of one item.
func (w *worker) handle(item resource.LeaseItem) {
	defer func() { <-w.places }()
	hold := w.hold(item)
	turn := w.turns.take(item.Key)
	defer turn.leave()
	result := w.result(item, turn)
	hold.end()
	w.answer(item, hold, result)
}

// result runs the command when it is its turn, unless it is too late for that.
func (w *worker) result(item resource.LeaseItem, turn *turn) resource.WorkResult {
	select {
	case <-turn.begins:
	case <-w.stopping:
		return returned()
	}
	select {
	case <-w.stopping:
		return returned()
	default:
		return w.run(item)
	}
}

func (w *worker) count(result resource.WorkResult) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case isReturned(result):
	case result.Result == resource.ResultFailed:
		w.summary.Failed++
	default:
		w.summary.Done++
	}
}
