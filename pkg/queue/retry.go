package queue

import "time"

// Failure is what is known of a failure besides that it was one.
type Failure struct {
	After   time.Duration // come back after so long, in place of what the retry settings say; 0 = not asked
	AtLeast time.Duration // come back no sooner, even if it is added; 0 = not asked
}

// retryWait is how long a key waits after its n-th failure in a row. Without a
// wait that was asked for it is the longer of the key's own, which doubles
// with each failure, and what the rate over all keys allows: as the default
// rate limiter of Kubernetes controllers.
func (q *Queue[K]) retryWait(n int, asked time.Duration, now time.Time) time.Duration {
	if asked > 0 {
		return asked
	}
	return max(q.options.backoff(n), q.limiter.ReserveN(now, 1).DelayFrom(now))
}

// backoff is RetryInitial doubled n-1 times, at most RetryMax.
func (o Options) backoff(n int) time.Duration {
	wait := o.RetryInitial
	for ; n > 1 && wait < o.RetryMax; n-- {
		wait *= 2
	}
	if wait > o.RetryMax || wait <= 0 { // <= 0: overflow
		return o.RetryMax
	}
	return wait
}
