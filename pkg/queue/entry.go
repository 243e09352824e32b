package queue

import "time"

// entry is a key that the queue knows. It is in exactly one place.
type entry[K comparable] struct {
	key      K
	place    place
	failures int // since it was last handled

	floor time.Time // it is not ready before, whatever is added: Failure.AtLeast

	pos   node[entry[K]] // in Queue.ready or Queue.running
	since time.Time      // when it came to its place
	due   time.Time      // when waiting ends, or the lease lapses
	slot  int            // index in Queue.timers, -1 when not there
	lease *grant[K]      // set while leased or claimed
}

type place int

const (
	nowhere place = iota // only between two places, under the lock
	ready
	waiting
	leased
	claimed
)

// grant is a lease as the queue sees it.
type grant[K comparable] struct {
	Lease[K]
	again   time.Time     // when the key is due after the answer; zero = not at all
	removed bool          // Remove was called: nobody waits for the key unless Add or the answer says so
	free    chan struct{} // of a claimed lease: closed when the claim ends
}

// note remembers that the key is due at t as well; the earliest counts.
func (g *grant[K]) note(t time.Time) {
	if g.again.IsZero() || t.Before(g.again) {
		g.again = t
	}
	g.removed = false
}

// fail counts a failure.
func (e *entry[K]) fail(f Failure, now time.Time) {
	e.failures++
	if f.AtLeast > 0 {
		e.floor = now.Add(f.AtLeast)
	}
}

// forgive forgets the failures.
func (e *entry[K]) forgive() { e.failures = 0 }

func (q *Queue[K]) entry(key K) *entry[K] {
	e := q.entries[key]
	if e == nil {
		e = &entry[K]{key: key, slot: -1}
		e.pos.item = e
		q.entries[key] = e
	}
	return e
}

// lift takes e from its place, so that it can be put into another.
func (q *Queue[K]) lift(e *entry[K]) {
	switch e.place {
	case ready:
		q.ready.remove(&e.pos)
	case leased, claimed:
		q.running.remove(&e.pos)
		q.startSum -= e.since.Sub(q.epoch)
		delete(q.leases, e.lease.ID)
		e.lease = nil
	}
	q.unschedule(e)
	e.place = nowhere
}

// forget ends what the queue knows of e.
func (q *Queue[K]) forget(e *entry[K]) {
	q.lift(e)
	delete(q.entries, e.key)
}

// makeReady puts e behind all that are ready, or right into a lease if
// somebody who waits wants it.
func (q *Queue[K]) makeReady(e *entry[K], now time.Time) {
	q.lift(e)
	e.place, e.since = ready, now
	q.ready.pushBack(&e.pos)
	q.metrics.adds++
	q.dispatch(e, now)
}

// makeDue brings e back at the time t.
func (q *Queue[K]) makeDue(e *entry[K], t, now time.Time) {
	if !t.After(now) {
		q.makeReady(e, now)
		return
	}
	q.lift(e)
	e.place, e.since = waiting, now
	q.schedule(e, t)
}

// makeLeased hands e to w.
func (q *Queue[K]) makeLeased(e *entry[K], w *waiter[K], note any, now time.Time) {
	q.metrics.queued.Observe(now.Sub(e.since).Seconds())
	q.lift(e)
	e.place, e.since = leased, now
	e.lease = &grant[K]{Lease: Lease[K]{
		ID: newID(), Key: e.key, Attempt: e.failures + 1, Note: note, For: w.leaseFor,
	}}
	q.leases[e.lease.ID] = e
	q.running.pushBack(&e.pos)
	q.startSum += now.Sub(q.epoch)
	q.schedule(e, now.Add(w.leaseFor))
	w.got = append(w.got, e.lease.Lease)
}

// lapse takes back a lease that was not answered in time.
func (q *Queue[K]) lapse(e *entry[K], now time.Time) {
	q.metrics.worked.Observe(now.Sub(e.since).Seconds())
	q.metrics.retries++
	e.failures++
	q.handBack(e, now)
}

// handBack makes a leased key ready, unless it was removed meanwhile.
func (q *Queue[K]) handBack(e *entry[K], now time.Time) {
	if e.lease.removed {
		q.forget(e)
		return
	}
	q.makeReady(e, now)
}
