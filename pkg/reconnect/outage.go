package reconnect

import "time"

// outage is the time without a session that holds.
type outage struct {
	began    time.Time
	failures int           // sessions that did not hold
	bound    time.Duration // of the latest wait; 0 = none yet
}

// after takes in how a session ended, and returns the wait before the next.
func (o *outage) after(e end, p Policy, now time.Time) time.Duration {
	if e.upFor >= p.StableAfter {
		*o = outage{began: now}
		return 0
	}
	o.grow(p, now)
	return o.wait(p, now)
}

// grow counts a failure.
func (o *outage) grow(p Policy, now time.Time) {
	o.failures++
	next, limit := float64(p.Initial), o.limit(p, now)
	if o.bound > 0 {
		next = float64(o.bound) * p.Factor
	}
	if next >= float64(limit) { // a time beyond it may be none that fits a Duration
		o.bound = limit
		return
	}
	o.bound = time.Duration(next)
}

// limit is the largest bound at this age.
func (o *outage) limit(p Policy, now time.Time) time.Duration {
	if now.Sub(o.began) < p.SlowAfter {
		return p.Max
	}
	return max(p.Max, p.SlowMax)
}

// wait draws a wait within the bound.
func (o *outage) wait(p Policy, now time.Time) time.Duration {
	bound := min(o.bound, o.limit(p, now))
	if p.Jitter == JitterNone {
		return bound
	}
	return upTo(bound)
}
