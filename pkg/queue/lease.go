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

// waiter is a caller of Lease.
type waiter[K comparable] struct {
	max      int
	leaseFor time.Duration
	prepare  func(K) (any, Verdict)

	pos     node[waiter[K]] // in Queue.searching, then in Queue.waiters
	missed  map[K]struct{}  // keys added while it searches, which it may have left before
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

func (w *waiter[K]) full() bool { return len(w.got) >= max(w.max, 1) }

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

func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}
