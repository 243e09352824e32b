package reconnect

import (
	"errors"
	"math/rand/v2"
	"time"
)

// Policy says how long to wait between sessions (docs/api.md, reconnect). A
// field that is not positive has its default.
//
// The first try is at once, and so is the first one after a session that held.
// From then on the bound of the wait starts at Initial and grows by Factor
// with each failure: up to Max while the outage is young, so that a broker's
// return is seen soon, and later up to SlowMax, so that a fleet does not
// stampede.
type Policy struct {
	Initial     time.Duration // first bound
	Max         time.Duration // largest bound during the first SlowAfter of an outage
	Factor      float64       // growth of the bound with each failure, at least 1
	Jitter      string        // JitterFull (also when empty) or JitterNone
	StableAfter time.Duration // a session that was up for so long has held: the outage is over
	SlowAfter   time.Duration // age at which an outage is no longer young
	SlowMax     time.Duration // largest bound from then on
}

// What is made of a bound.
const (
	JitterFull = "full" // a wait anywhere between zero and the bound
	JitterNone = "none" // the bound itself
)

// DefaultPolicy sees a broker's return within 0.3 s, at the median, while the
// outage is younger than a minute.
func DefaultPolicy() Policy {
	return Policy{
		Initial:     100 * time.Millisecond,
		Max:         time.Second,
		Factor:      2,
		Jitter:      JitterFull,
		StableAfter: 10 * time.Second,
		SlowAfter:   time.Minute,
		SlowMax:     time.Minute,
	}
}

// withDefaults fills in p, so that no Policy makes the loop spin.
func (p Policy) withDefaults() Policy {
	d := DefaultPolicy()
	for _, f := range []struct{ field, byDefault *time.Duration }{
		{&p.Initial, &d.Initial}, {&p.Max, &d.Max}, {&p.SlowMax, &d.SlowMax},
		{&p.StableAfter, &d.StableAfter}, {&p.SlowAfter, &d.SlowAfter},
	} {
		if *f.field <= 0 {
			*f.field = *f.byDefault
		}
	}
	if !(p.Factor >= 1) { // also NaN
		p.Factor = d.Factor
	}
	return p
}

// Delayer is an error that asks for a wait of its own, uniformly at random
// between min and max, in place of the policy's: a session that another client
// took over must not take it back at once. If neither is positive, the policy
// decides after all.
type Delayer interface {
	Delay() (min, max time.Duration)
}

// delay is the wait that err asks for.
func delay(err error) (time.Duration, bool) {
	var d Delayer
	if !errors.As(err, &d) {
		return 0, false
	}
	low, high := d.Delay()
	low = max(low, 0)
	high = max(high, low)
	return low + upTo(high-low), high > 0
}

// upTo is a time between 0 and d, uniformly at random.
func upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(rand.Int64N(int64(d)))
}
