package worker

import (
	"context"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// How a worker waits for a sidecar that is away.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
	answerTime = 5 * time.Second // for a result, once the worker has to end
)

// lease waits for work. While the sidecar is away it asks again and again,
// unless it is known how many questions there are to be.
func (w *worker) lease(ctx context.Context, req resource.LeaseRequest) ([]resource.LeaseItem, error) {
	for pause := time.Duration(0); ; {
		items, err := w.Queue.Lease(ctx, req)
		switch {
		case err == nil && pause > 0:
			w.Log.Info("the sidecar answers again")
			return items, nil
		case err == nil, ctx.Err() != nil, w.Once, w.UntilEmpty, !repeatable(err):
			return items, err
		case pause == 0:
			w.Log.Warn("the sidecar does not answer; asking again until it does", "error", err)
		}
		pause = next(pause)
		if !sleep(ctx, max(pause, retryAfter(err))) {
			return nil, ctx.Err()
		}
	}
}

// repeatable tells whether a call may succeed when it is repeated as it is
// (docs/api.md, "Local API").
func repeatable(err error) bool {
	switch resource.CodeOf(err) {
	case resource.Unavailable, resource.TooManyRequests, resource.DeadlineExceeded, resource.Timeout, resource.Internal, resource.DiskFull:
		return true
	}
	return false
}

func next(pause time.Duration) time.Duration { return min(max(2*pause, firstPause), maxPause) }

// sleep returns false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// hold is a lease that is kept alive.
type hold struct {
	cancel context.CancelFunc
	ended  chan struct{}
	lapses time.Time // as far as is known; read after ended
}

// hold extends the lease of an item, until end is called.
func (w *worker) hold(item resource.LeaseItem) *hold {
	ctx, cancel := context.WithCancel(context.Background())
	h := &hold{cancel: cancel, ended: make(chan struct{}), lapses: time.Now().Add(w.Request.LeaseFor)}
	go func() {
		defer close(h.ended)
		for sleep(ctx, w.Request.LeaseFor/3) {
			if !w.extend(item, h) {
				return
			}
		}
	}()
	return h
}

// end waits for a call that is under way: the result that follows must not meet
// it.
func (h *hold) end() {
	h.cancel()
	<-h.ended
}

// extend returns false if there is nothing to extend any more.
func (w *worker) extend(item resource.LeaseItem, h *hold) bool {
	ctx, cancel := context.WithTimeout(context.Background(), w.Request.LeaseFor/3)
	defer cancel()
	asked := time.Now()
	err := w.Queue.Answer(ctx, item.Lease, resource.WorkResult{Result: resource.ResultExtend, LeaseFor: w.Request.LeaseFor})
	switch {
	case err == nil:
		h.lapses = asked.Add(w.Request.LeaseFor)
	case resource.CodeOf(err) == resource.NotFound:
		w.Log.Warn("the lease is lost while the command runs; the item comes again", "key", item.Key.String())
		return false
	}
	return true
}

// answer gives the result, as long as the lease may be alive.
func (w *worker) answer(item resource.LeaseItem, h *hold, result resource.WorkResult) {
	err := w.send(item, h, result)
	if err != nil && !repeatable(err) && resource.CodeOf(err) != resource.NotFound {
		w.Log.Warn("the sidecar does not take the result", "key", item.Key.String(), "error", err)
		result = failed("the sidecar does not take the result: " + err.Error())
		err = w.send(item, h, result)
	}
	if err != nil {
		w.Log.Warn("the result is lost; the item comes again", "key", item.Key.String(), "error", err)
		result = failed(err.Error())
	}
	w.count(result)
}

// send makes the call until it is answered.
func (w *worker) send(item resource.LeaseItem, h *hold, result resource.WorkResult) error {
	for pause := time.Duration(0); ; {
		ctx, cancel := context.WithTimeout(context.Background(), max(time.Until(w.latest(h)), time.Second))
		err := w.Queue.Answer(ctx, item.Lease, result)
		cancel()
		pause = min(max(next(pause), retryAfter(err)), maxPause)
		if err == nil || !repeatable(err) || time.Now().Add(pause).After(w.latest(h)) {
			return err
		}
		time.Sleep(pause)
	}
}

// latest is when it is of no use any more to repeat a result.
func (w *worker) latest(h *hold) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if end := w.stopped.Add(answerTime); !w.stopped.IsZero() && end.Before(h.lapses) {
		return end
	}
	return h.lapses
}
