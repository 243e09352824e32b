package resync

import (
	"math/rand/v2"
	"time"
)

// Policy says when to ask a peer again (docs/api.md, Configuration, resync).
type Policy struct {
	Repeat   []time.Duration // each counted from the ask before it
	Every    time.Duration   // after the repeats; 0 = not again
	EveryMax time.Duration   // Every doubles up to it while nothing new comes; not above Every = no doubling
	Jitter   float64         // part of every wait, up or down, by which it is varied: 0 to 1
}

// never is a wait that no process outlives and that a timer can take.
const never = 100 * 365 * 24 * time.Hour

// Schedule says when to ask one peer about one data type. The first ask is due
// at once. Repeats follow, because a request that was sent before the peer was
// back met nobody; they end once the peer was heard after an ask and brought
// nothing new. From then on it asks at intervals.
//
// It is told every time that it reckons with, and is not safe for concurrent
// use.
type Schedule struct {
	policy Policy
	rnd    func() float64

	due    time.Time // of the first ask; unused once asked
	asked  time.Time // the last ask; zero = not yet
	step   int       // repeats used up
	every  time.Duration
	spread float64   // the factor of the present wait
	heard  bool      // since the last ask
	newsAt time.Time // the first news since the last ask; zero = none
}

// NewSchedule is a schedule whose first ask is due at now. rnd returns values
// in [0, 1); nil is the process's own.
func NewSchedule(p Policy, now time.Time, rnd func() float64) *Schedule {
	if rnd == nil {
		rnd = rand.Float64
	}
	p.Jitter = min(max(p.Jitter, 0), 1)
	s := &Schedule{policy: p, rnd: rnd}
	s.Again(now)
	return s
}

// Next is when to ask. It stays the same until the schedule is told something.
func (s *Schedule) Next() time.Time {
	if s.asked.IsZero() {
		return s.due
	}
	if !s.settled() {
		return s.asked.Add(s.vary(s.policy.Repeat[s.step]))
	}
	next := s.asked.Add(s.vary(s.every))
	if s.newsAt.IsZero() || s.policy.Every <= 0 {
		return next
	}
	// There is news, so there may be more: not later than the short interval
	// from it. It is counted from the first, or a stream of news would put
	// the ask off for good.
	if soon := s.newsAt.Add(s.vary(s.policy.Every)); soon.Before(next) {
		return soon
	}
	return next
}

// Asked says that a request was taken by the broker at now.
func (s *Schedule) Asked(now time.Time) {
	if !s.asked.IsZero() {
		s.advance()
	}
	s.asked, s.heard, s.newsAt = now, false, time.Time{}
	s.spread = 1 + s.policy.Jitter*(2*s.rnd()-1)
}

// advance goes one stage on at an ask that is not the first.
func (s *Schedule) advance() {
	switch {
	case !s.settled():
		s.step++
	case s.step < len(s.policy.Repeat): // quiet: the repeats end here
		s.step = len(s.policy.Repeat)
		s.lengthen()
	default:
		s.lengthen()
	}
}

// lengthen sets the interval that follows one that has passed.
func (s *Schedule) lengthen() {
	if !s.newsAt.IsZero() {
		s.every = s.interval()
		return
	}
	s.every = max(s.every, min(2*s.every, s.policy.EveryMax))
}

// settled tells whether the repeats are over.
func (s *Schedule) settled() bool {
	return s.step >= len(s.policy.Repeat) || s.heard && s.newsAt.IsZero()
}

// Heard says that an event of the peer arrived at now, and whether it changed
// something here.
func (s *Schedule) Heard(now time.Time, news bool) {
	if s.asked.IsZero() || now.Before(s.asked) {
		return
	}
	s.heard = true
	if news && s.newsAt.IsZero() {
		s.newsAt = now
	}
}

// Again makes an ask due at now, and the repeats start over.
func (s *Schedule) Again(now time.Time) {
	*s = Schedule{policy: s.policy, rnd: s.rnd, due: now, spread: 1}
	s.every = s.interval()
}

// interval is the short one.
func (s *Schedule) interval() time.Duration {
	if s.policy.Every <= 0 {
		return never
	}
	return s.policy.Every
}

// vary applies the jitter of the present wait.
func (s *Schedule) vary(wait time.Duration) time.Duration {
	if wait >= never {
		return never
	}
	return time.Duration(float64(wait) * s.spread)
}
