package queue_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/queue"
)

// work is what a key stands for: how often it was changed, and up to which
// change it was handled.
type work struct {
	changed, handled atomic.Int64
	held             atomic.Bool // claimed by somebody
}

// plant is a controller with many workers, of which some fail, dawdle, give
// back and crash.
type plant struct {
	t    *testing.T
	q    *queue.Queue[int]
	keys []work
}

// prepare notes what a worker will have seen. Half of the workers leave the
// odd keys to others.
func (p *plant) prepare(worker int) func(int) (any, queue.Verdict) {
	return func(key int) (any, queue.Verdict) {
		if worker%2 == 1 && key%2 == 1 {
			return nil, queue.Leave
		}
		if p.keys[key].held.Load() {
			p.t.Errorf("key %d is handed out while it is claimed", key)
		}
		return p.keys[key].changed.Load(), queue.Take
	}
}

func (p *plant) worker(ctx context.Context, n int) {
	for ctx.Err() == nil {
		for _, l := range p.q.Lease(ctx, 1+n%3, time.Second, p.prepare(n)) {
			p.handle(l)
		}
	}
}

func (p *plant) handle(l queue.Lease[int]) {
	time.Sleep(rand.N(1100 * time.Millisecond)) // some lapse
	switch rand.IntN(8) {
	case 0:
		return // crashed
	case 1:
		p.q.Return(l.ID)
		return
	}
	if _, ok := p.q.Claim(l.ID); ok {
		p.answer(l)
	}
}

func (p *plant) answer(l queue.Lease[int]) {
	k := &p.keys[l.Key]
	if !k.held.CompareAndSwap(false, true) {
		p.t.Errorf("key %d is claimed twice at a time", l.Key)
	}
	time.Sleep(rand.N(2 * time.Second)) // longer than the lease
	seen := l.Note.(int64)
	if seen < k.handled.Load() {
		p.t.Errorf("key %d goes back in time", l.Key)
	}
	end := rand.IntN(5)
	if end < 2 { // handled
		k.handled.Store(seen)
	}
	k.held.Store(false)
	switch end {
	case 0:
		p.q.Done(l.ID)
	case 1:
		p.q.Later(l.ID, rand.N(time.Second))
	case 2:
		p.q.Retry(l.ID, 0)
	case 3:
		p.q.Extend(l.ID, time.Second)
	case 4:
		p.q.Unclaim(l.ID)
	}
}

func (p *plant) adder() {
	for range 200 {
		key := rand.IntN(len(p.keys))
		p.keys[key].changed.Add(1)
		p.q.AddAfter(key, rand.N(2*time.Second)-time.Second)
		time.Sleep(rand.N(100 * time.Millisecond))
	}
}

// settled tells whether every key has been handled in its last state. The
// queue itself is never empty: Later brings keys back for ever.
func (p *plant) settled() bool {
	for i := range p.keys {
		if p.keys[i].handled.Load() != p.keys[i].changed.Load() {
			return false
		}
	}
	return true
}

func TestNothingIsLostOrHandledTwiceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue.New[int](queue.Options{RetryMax: time.Second, QPS: 1e6, Burst: 1e6})
		run(t, q)
		p := &plant{t: t, q: q, keys: make([]work, 40)}
		ctx, stop := context.WithCancel(t.Context())
		var workers, adders sync.WaitGroup
		for n := range 12 {
			workers.Go(func() { p.worker(ctx, n) })
		}
		for range 4 {
			adders.Go(p.adder)
		}
		adders.Wait()
		for waited := 0; !p.settled(); waited++ {
			if waited > 3600 {
				t.Fatalf("keys are lost; the queue holds %+v", q.Stats())
			}
			time.Sleep(time.Second)
		}
		stop()
		workers.Wait()
	})
}
