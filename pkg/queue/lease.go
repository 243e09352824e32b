package queue

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"
)

// Lease is the right to handle a key alone, until it is answered or lapses.
type Lease[K comparable] struct {
	ID      string // 128 random bits, in hex
	Key     K
	Attempt int           // from 1; failures and lapsed leases count
	Note    any           // what prepare returned
	For     time.Duration // how long it is valid from its hand-out, or from Extend
}

// Verdict is what a caller wants to do with a ready key.
type Verdict int

const (
	Take  Verdict = iota // lease it
	Leave                // not for this caller: it stays for others
	Drop                 // there is no work after all: as Remove
)

// scanChunk is how many ready keys a caller looks at before it lets others at
// the queue: one that leaves a long backlog must not hold up Add.
const scanChunk = 256

// waiter is a caller of Lease.
type waiter[K comparable] struct {
	max      int
	leaseFor time.Duration
	prepare  func(K) (any, Verdict)

	pos     node[waiter[K]] // in Queue.waiters
	waiting bool
	served  chan struct{} // closed when waiting ends
	got     []Lease[K]
}

// Lease waits until ctx ends for at least one ready key, and hands out up to
// max (at least 1), oldest first, each until it is answered or leaseFor has
// passed. It asks prepare about each key, those that it has left again when
// they are added; see the package about what prepare may do. It returns nil if
// ctx ends first or Run has ended.
//
// A context whose deadline has passed means: do not wait, but take what is
// ready. One that was cancelled gets nothing.
func (q *Queue[K]) Lease(ctx context.Context, max int, leaseFor time.Duration, prepare func(K) (note any, v Verdict)) []Lease[K] {
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil
	}
	w := &waiter[K]{max: max, leaseFor: leaseFor, prepare: prepare, served: make(chan struct{})}
	w.pos.item = w
	q.serve(w)
	select {
	case <-w.served:
	default:
		q.await(ctx, w)
	}
	return w.got
}

// await waits for a key to be handed to w, and takes along what else fits.
func (q *Queue[K]) await(ctx context.Context, w *waiter[K]) {
	select {
	case <-w.served:
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dismiss(w)
	if len(w.got) > 0 {
		q.topUp(w)
	}
}

// serve gives w what is ready, or else makes it wait.
func (q *Queue[K]) serve(w *waiter[K]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gather(w)
	if len(w.got) > 0 || q.closed {
		close(w.served)
		return
	}
	w.waiting = true
	q.waiters.pushBack(&w.pos)
}

// dismiss ends the waiting of w.
func (q *Queue[K]) dismiss(w *waiter[K]) {
	if w.waiting {
		w.waiting = false
		q.waiters.remove(&w.pos)
		close(w.served)
	}
}

// gather offers all ready keys to w, the oldest first. It lets go of the lock
// in between and keeps its place by a mark; not so for those that come
// meanwhile, or it might never catch up with them.
func (q *Queue[K]) gather(w *waiter[K]) {
	var mark node[entry[K]]
	n, now, backlog := q.ready.first, time.Now(), q.ready.len
	for seen := 1; n != nil && len(w.got) < max(w.max, 1) && !q.closed; seen++ {
		next := n.next
		if n.item != nil {
			q.offer(n.item, w, now)
		}
		if seen%scanChunk == 0 && seen < backlog && next != nil {
			q.ready.insertBefore(&mark, next)
			q.mu.Unlock()
			q.mu.Lock()
			next, now = mark.next, time.Now()
			q.ready.remove(&mark)
		}
		n = next
	}
}

// topUp adds the rest of a burst to what w was handed. It stops at the first
// key that w leaves: w has been through the backlog before it waited.
func (q *Queue[K]) topUp(w *waiter[K]) {
	now := time.Now()
	for len(w.got) < w.max && !q.closed {
		e := q.ready.head()
		if e == nil || q.offer(e, w, now) == Leave {
			return
		}
	}
}

// offer asks w about a ready key and does what it says.
func (q *Queue[K]) offer(e *entry[K], w *waiter[K], now time.Time) Verdict {
	note, verdict := w.prepare(e.key)
	switch verdict {
	case Take:
		q.makeLeased(e, w, note, now)
	case Drop:
		q.forget(e)
	}
	return verdict
}

// dispatch offers a ready key to those who wait, until one takes it.
func (q *Queue[K]) dispatch(e *entry[K], now time.Time) {
	for n := q.waiters.first; n != nil; n = n.next {
		switch q.offer(e, n.item, now) {
		case Take:
			q.dismiss(n.item)
			return
		case Drop:
			return
		}
	}
}

func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}
