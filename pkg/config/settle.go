package config

import "time"

// settling waits until a burst of changes has ended, but not for ever.
type settling struct {
	began time.Time // of the burst; zero = there is none
	timer *time.Timer
}

// touch notes a change.
func (s *settling) touch(now time.Time) {
	if s.began.IsZero() {
		s.began = now
	}
	wait := max(0, min(quietTime, s.began.Add(latest).Sub(now)))
	if s.timer == nil {
		s.timer = time.NewTimer(wait)
		return
	}
	s.timer.Reset(wait)
}

// done yields when the burst has ended; without a burst it never does.
func (s *settling) done() <-chan time.Time {
	if s.timer == nil {
		return nil
	}
	return s.timer.C
}

// stop ends the burst.
func (s *settling) stop() {
	s.began = time.Time{}
	if s.timer != nil {
		s.timer.Stop()
	}
}
