package resync_test

import (
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resync"
)

// specs and statuses are the defaults (docs/api.md, Configuration), without
// jitter.
var (
	specs    = resync.Policy{Repeat: []time.Duration{5 * time.Second, 30 * time.Second}, Every: 5 * time.Minute, EveryMax: 6 * time.Hour}
	statuses = resync.Policy{Repeat: []time.Duration{5 * time.Second, 30 * time.Second}, Every: time.Minute}
)

func middle() float64 { return 0.5 }

// story drives a schedule and keeps the clock.
type story struct {
	t        *testing.T
	schedule *resync.Schedule
	now      time.Time
}

func begin(t *testing.T, p resync.Policy) *story {
	return &story{t: t, schedule: resync.NewSchedule(p, asked, middle), now: asked}
}

// asks waits for the next ask, which comes after wait, and makes it.
func (s *story) asks(wait time.Duration) {
	s.t.Helper()
	if got := s.schedule.Next().Sub(s.now); got != wait {
		s.t.Fatalf("next ask in %v, want %v", got, wait)
	}
	s.now = s.now.Add(wait)
	s.schedule.Asked(s.now)
}

// hears lets an event arrive after wait.
func (s *story) hears(wait time.Duration, news bool) {
	s.now = s.now.Add(wait)
	s.schedule.Heard(s.now, news)
}

func TestScheduleOfSilentPeer(t *testing.T) {
	s := begin(t, specs)
	s.asks(0)
	s.asks(5 * time.Second)
	s.asks(30 * time.Second)
	for _, minutes := range []time.Duration{5, 10, 20, 40, 80, 160, 320, 360, 360} {
		s.asks(minutes * time.Minute)
	}
}

func TestScheduleWithoutDoubling(t *testing.T) {
	s := begin(t, statuses)
	for _, wait := range []time.Duration{0, 5 * time.Second, 30 * time.Second, time.Minute, time.Minute, time.Minute} {
		s.asks(wait)
	}
}

// A peer that was heard after the ask and had nothing new has had its say.
func TestScheduleEndsRepeats(t *testing.T) {
	s := begin(t, specs)
	s.asks(0)
	s.hears(time.Second, false)
	s.asks(5*time.Minute - time.Second)
	s.asks(10 * time.Minute)
}

// What was heard before the ask proves nothing, and news are a reason to ask
// again.
func TestScheduleKeepsRepeats(t *testing.T) {
	s := begin(t, specs)
	s.schedule.Heard(s.now, false)
	s.asks(0)
	s.schedule.Heard(s.now.Add(-time.Second), false)
	s.hears(time.Second, false)
	s.hears(time.Second, true)
	s.hears(time.Second, false)
	s.asks(2 * time.Second)
	s.hears(time.Second, true)
	s.asks(29 * time.Second)
	s.hears(time.Second, false)
	s.asks(5*time.Minute - time.Second)
}

// News bring the short interval back: at once, counted from the first of them.
func TestScheduleFallsBack(t *testing.T) {
	s := begin(t, specs)
	for _, wait := range []time.Duration{0, 5 * time.Second, 30 * time.Second, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute} {
		s.asks(wait)
	}
	s.hears(time.Minute, true)
	s.hears(time.Minute, true)
	s.asks(4 * time.Minute)
	s.hears(time.Minute, false)
	s.asks(4 * time.Minute)
	s.asks(10 * time.Minute)
	s.hears(9*time.Minute, false)
	s.hears(10*time.Minute, true)
	s.asks(time.Minute)
	s.asks(5 * time.Minute)
}

func TestScheduleAgain(t *testing.T) {
	s := begin(t, specs)
	for _, wait := range []time.Duration{0, 5 * time.Second, 30 * time.Second, 5 * time.Minute} {
		s.asks(wait)
	}
	s.hears(time.Second, true)
	s.schedule.Again(s.now)
	for _, wait := range []time.Duration{0, 5 * time.Second, 30 * time.Second, 5 * time.Minute, 10 * time.Minute} {
		s.asks(wait)
	}
}

func TestScheduleOfOtherPolicies(t *testing.T) {
	s := begin(t, resync.Policy{Every: time.Minute, EveryMax: 90 * time.Second})
	for _, wait := range []time.Duration{0, time.Minute, 90 * time.Second, 90 * time.Second} {
		s.asks(wait)
	}
	once := begin(t, resync.Policy{})
	once.asks(0)
	once.hears(time.Second, true)
	if next := once.schedule.Next(); next.Before(once.now.AddDate(50, 0, 0)) {
		t.Errorf("without an interval the next ask is at %v", next)
	}
}

// Jitter varies every wait but the first, within its part of it, and the time
// that was said stays.
func TestScheduleJitter(t *testing.T) {
	for _, c := range []struct{ jitter, random, factor float64 }{
		{0.2, 0, 0.8}, {0.2, 0.5, 1}, {0.2, 0.75, 1.1}, {5, 0, 0}, {-1, 0, 1},
	} {
		p := specs
		p.Jitter = c.jitter
		s := &story{t: t, schedule: resync.NewSchedule(p, asked, func() float64 { return c.random }), now: asked}
		s.asks(0)
		for _, wait := range []time.Duration{5 * time.Second, 30 * time.Second, 5 * time.Minute} {
			s.asks(time.Duration(float64(wait) * c.factor))
		}
	}
	p := specs
	p.Jitter = 0.2
	schedule := resync.NewSchedule(p, asked, nil)
	schedule.Asked(asked)
	next := schedule.Next()
	if wait := next.Sub(asked); wait < 4*time.Second || wait > 6*time.Second || schedule.Next() != next {
		t.Errorf("next ask in %v, then %v", wait, schedule.Next().Sub(asked))
	}
}
