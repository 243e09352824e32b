package queue

import "time"

// Claim begins the answer to a lease: from now on it does not lapse and nobody
// else can answer it. Exactly one of Done, Retry, Later, Extend and Unclaim
// must follow; without a claim these do nothing. ok is false for a lease that
// is unknown, lapsed, answered or being answered.
func (q *Queue[K]) Claim(id string) (l Lease[K], ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.leases[id]
	if e == nil || e.place != leased {
		return Lease[K]{}, false
	}
	e.place, e.lease.free = claimed, make(chan struct{})
	// due is kept for Unclaim.
	q.unschedule(e)
	return e.lease.Lease, true
}

// Busy is closed when a lease can be claimed, or is no more: a claim may end in
// an Extend or Unclaim. It is nil for a lease that is unknown.
func (q *Queue[K]) Busy(id string) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch e := q.leases[id]; {
	case e == nil:
		return nil
	case e.place == claimed:
		return e.lease.free
	}
	return closed
}

// closed is a channel that is.
var closed = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Done says that the key was handled. Its failures are forgotten, and it comes
// back only if Add was called meanwhile.
func (q *Queue[K]) Done(id string) {
	q.answer(id, func(e *entry[K], again, now time.Time) {
		e.forgive()
		if again.IsZero() {
			q.forget(e)
			return
		}
		q.makeDue(e, again, now)
	})
}

// Retry says that handling the key failed. It comes back after the time given
// or, if that is not positive, when the retry settings say; an Add meanwhile
// brings it back at once.
func (q *Queue[K]) Retry(id string, after time.Duration) { q.Fail(id, Failure{After: after}) }

// Fail is Retry for a failure of which more is known.
func (q *Queue[K]) Fail(id string, f Failure) {
	q.answer(id, func(e *entry[K], again, now time.Time) {
		e.fail(f, now)
		q.metrics.retries++
		if again.IsZero() || again.After(now) {
			again = earlier(again, now.Add(q.retryWait(e.failures, f.After, now)))
		}
		q.makeDue(e, later(again, e.floor), now)
	})
}

// Later says that the key was handled and wants to be looked at again after
// the time given (controller-runtime's RequeueAfter). Its failures are
// forgotten.
func (q *Queue[K]) Later(id string, after time.Duration) {
	q.answer(id, func(e *entry[K], again, now time.Time) {
		e.forgive()
		q.makeDue(e, earlier(again, now.Add(after)), now)
	})
}

// Extend says that the caller is still at it: the lease goes on, for the time
// given from now.
func (q *Queue[K]) Extend(id string, leaseFor time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.claimed(id); e != nil {
		e.lease.For = leaseFor
		q.resume(e, time.Now().Add(leaseFor))
	}
}

// Unclaim takes a claim back, because the answer could not be stored: the
// lease goes on as if it had not come.
func (q *Queue[K]) Unclaim(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.claimed(id); e != nil {
		q.resume(e, e.due)
	}
}

// Return hands keys back unhandled: they are ready at once, and no failure is
// counted. Leases that are claimed or unknown are ignored.
func (q *Queue[K]) Return(ids ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for _, id := range ids {
		if e := q.leases[id]; e != nil && e.place == leased {
			q.handBack(e, now)
		}
	}
}

// answer ends a claim; end puts the key into its next place. again is when the
// key was added for meanwhile.
func (q *Queue[K]) answer(id string, end func(e *entry[K], again, now time.Time)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.claimed(id)
	if e == nil {
		return
	}
	now := time.Now()
	close(e.lease.free)
	q.metrics.worked.Observe(now.Sub(e.since).Seconds())
	end(e, e.lease.again, now)
}

// claimed is the entry of a claimed lease, or nil.
func (q *Queue[K]) claimed(id string) *entry[K] {
	if e := q.leases[id]; e != nil && e.place == claimed {
		return e
	}
	return nil
}

// resume makes a claimed lease an open one again.
func (q *Queue[K]) resume(e *entry[K], lapses time.Time) {
	close(e.lease.free)
	e.place = leased
	q.schedule(e, lapses)
}

// later is the later of two times.
func later(t, u time.Time) time.Time {
	if u.After(t) {
		return u
	}
	return t
}

// earlier is the earlier of two times, of which the first may be unset.
func earlier(t, u time.Time) time.Time {
	if t.IsZero() || u.Before(t) {
		return u
	}
	return t
}
