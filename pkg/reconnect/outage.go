package reconnect

import (
	"log/slog"
	"time"
)

// outage is the time without a session that holds.
type outage struct {
	began    time.Time
	failures int           // sessions that did not hold
	bound    time.Duration // of the latest wait; 0 = none yet
	told     string        // why the latest try that was warned of has failed
	toldAt   time.Time
}

// tellEvery is how often a cause that stays is warned of.
const tellEvery = time.Minute

// level is how loud the end of a session is: a new cause, and one that has
// lasted for another minute, is a warning.
func (o *outage) level(e end, now time.Time) slog.Level {
	if cause := e.err.Error(); e.wasUp || cause != o.told || now.Sub(o.toldAt) >= tellEvery {
		o.told, o.toldAt = cause, now
		return slog.LevelWarn
	}
	return slog.LevelDebug
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
