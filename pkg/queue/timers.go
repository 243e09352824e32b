package queue

import (
	"container/heap"
	"context"
	"time"
)

// fireChunk is how many timers Run handles before it lets others at the queue.
const fireChunk = 256

// Run ends waits and lapsed leases when their time has come. It returns nil
// when ctx ends; from then on Lease returns nothing. It is called once.
func (q *Queue[K]) Run(ctx context.Context) error {
	defer q.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-q.wake:
		}
		if due, ok := q.fire(); ok {
			timer.Reset(time.Until(due))
		}
	}
}

// fire handles what is due, and returns when the next is; ok is false when
// there is nothing to wait for.
func (q *Queue[K]) fire() (due time.Time, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for range fireChunk {
		if len(q.timers) == 0 || q.timers[0].due.After(now) {
			break
		}
		q.expire(q.timers[0], now)
	}
	if len(q.timers) == 0 {
		q.armed = time.Time{}
		return time.Time{}, false
	}
	q.armed = q.timers[0].due
	return q.armed, true
}

func (q *Queue[K]) expire(e *entry[K], now time.Time) {
	if e.place == leased {
		q.lapse(e, now)
		return
	}
	q.makeReady(e, now)
}

// close sends away everybody who waits.
func (q *Queue[K]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for q.waiters.first != nil {
		q.dismiss(q.waiters.first.item)
	}
}

// schedule makes Run look at e, which is not scheduled, at the time t.
func (q *Queue[K]) schedule(e *entry[K], t time.Time) {
	e.due = t
	heap.Push(&q.timers, e)
	if e.slot != 0 || !q.armed.IsZero() && !t.Before(q.armed) {
		return
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *Queue[K]) unschedule(e *entry[K]) {
	if e.slot >= 0 {
		heap.Remove(&q.timers, e.slot)
	}
}

// timers is a heap, the earliest due first; each entry knows its slot.
type timers[K comparable] []*entry[K]

func (t timers[K]) Len() int           { return len(t) }
func (t timers[K]) Less(i, j int) bool { return t[i].due.Before(t[j].due) }

func (t timers[K]) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].slot, t[j].slot = i, j
}

func (t *timers[K]) Push(x any) {
	e := x.(*entry[K])
	e.slot = len(*t)
	*t = append(*t, e)
}

func (t *timers[K]) Pop() any {
	old := *t
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	e.slot = -1
	return e
}
