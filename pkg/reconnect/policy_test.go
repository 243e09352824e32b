package reconnect_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/reconnect"
)

const (
	ms  = time.Millisecond
	sec = time.Second
)

func TestWaitsGrowToMax(t *testing.T) {
	story(t, exact(), down, func(w *world) {
		w.pass(5 * sec)
		w.wantGaps(0, 100*ms, 200*ms, 400*ms, 800*ms, sec, sec, sec)
	})
}

func TestWaitsGrowOnInALongOutage(t *testing.T) {
	story(t, exact(), down, func(w *world) {
		w.pass(time.Hour)
		gaps := w.gaps()
		i := slices.IndexFunc(gaps, func(d time.Duration) bool { return d > sec })
		if i < 0 || w.sum(gaps[:i]) < time.Minute || w.sum(gaps[:i]) > time.Minute+2*sec {
			t.Fatalf("waits grow on from %v after the first %d", w.sum(gaps[:max(i, 0)]), i)
		}
		slow := gaps[i:]
		want := []time.Duration{2 * sec, 4 * sec, 8 * sec, 16 * sec, 32 * sec, time.Minute, time.Minute}
		if !slices.Equal(slow[:len(want)], want) || slices.Max(slow) != time.Minute {
			t.Fatalf("slow waits are %v", slow)
		}
	})
}

func (w *world) sum(gaps []time.Duration) (sum time.Duration) {
	for _, d := range gaps {
		sum += d
	}
	return sum
}

func TestAfterASessionThatHeldTheFirstTryIsAtOnce(t *testing.T) {
	story(t, exact(), down, func(w *world) {
		w.pass(5 * time.Minute) // slow by now
		w.become(upFor(10 * sec))
		w.pass(time.Minute) // the present wait
		before := len(w.gaps())
		w.become(down)
		w.pass(11 * sec)
		if got, want := w.gaps()[before:][:4], []time.Duration{10 * sec, 100 * ms, 200 * ms, 400 * ms}; !slices.Equal(got, want) {
			t.Errorf("waits are %v, want %v", got, want)
		}
	})
}

func TestASessionThatDidNotHoldDoesNotReset(t *testing.T) {
	story(t, exact(), upFor(3*sec), func(w *world) {
		w.pass(14 * sec)
		w.wantGaps(0, 3*sec+100*ms, 3*sec+200*ms, 3*sec+400*ms, 3*sec+800*ms)
		w.pass(2 * time.Minute)
		gaps := w.gaps()
		if last := gaps[len(gaps)-1]; last < 3*sec+8*sec {
			t.Errorf("a session that breaks again and again comes back after %v", last)
		}
	})
}

func TestFullJitterIsUniformUpToTheBound(t *testing.T) {
	const runs = 400
	bounds := []time.Duration{0, 100 * ms, 200 * ms, 400 * ms, 800 * ms, sec, sec}
	sums := make([]time.Duration, len(bounds))
	for range runs {
		story(t, reconnect.DefaultPolicy(), down, func(w *world) {
			w.pass(10 * sec)
			for i, gap := range w.gaps()[:len(bounds)] {
				if gap > bounds[i] {
					t.Fatalf("wait %d is %v, more than %v", i, gap, bounds[i])
				}
				sums[i] += gap
			}
		})
	}
	for i, sum := range sums {
		// Six standard deviations of the mean of a uniform distribution.
		mean, want := float64(sum)/runs, float64(bounds[i])/2
		if slack := 6 * float64(bounds[i]) / math.Sqrt(12*runs); math.Abs(mean-want) > slack {
			t.Errorf("wait %d is %v on average, want about %v", i, time.Duration(mean), time.Duration(want))
		}
	}
}

// A broker's return is seen within 0.5 s at the median after short outages.
func TestTheReturnOfTheBrokerIsSeenSoon(t *testing.T) {
	for _, outage := range []time.Duration{3 * sec, 30 * sec} {
		t.Run(outage.String(), func(t *testing.T) {
			var delays []time.Duration
			for range 201 {
				delays = append(delays, seenAfter(t, outage))
			}
			slices.Sort(delays)
			if median := delays[len(delays)/2]; median > 500*ms {
				t.Errorf("seen after %v at the median", median)
			}
			if last := delays[len(delays)-1]; last > sec {
				t.Errorf("seen after %v at the latest", last)
			}
		})
	}
}

// seenAfter is how long after its return a broker is found again that was
// away for so long.
func seenAfter(t *testing.T, outage time.Duration) (delay time.Duration) {
	story(t, reconnect.DefaultPolicy(), upFor(time.Minute), func(w *world) {
		w.become(down)
		w.pass(time.Minute + outage)
		w.become(up)
		back := time.Now()
		w.pass(2 * sec)
		s := w.loop.State()
		if s.Phase != reconnect.Connected {
			t.Fatalf("not back: %+v", s)
		}
		delay = s.Since.Sub(back)
	})
	return delay
}

func TestOddPoliciesDoNotSpin(t *testing.T) {
	tests := map[string]reconnect.Policy{
		"zero":             {Jitter: "none"},
		"negative":         {Initial: -1, Max: -1, Factor: -1, Jitter: "none", StableAfter: -1, SlowAfter: -1, SlowMax: -1},
		"no number":        {Factor: math.NaN(), Jitter: "none"},
		"infinite":         {Factor: math.Inf(1), Jitter: "none"},
		"max below start":  {Initial: time.Hour, Max: sec, Jitter: "none"},
		"slow below young": {Max: 2 * sec, SlowAfter: 1, SlowMax: 1, Jitter: "none"},
		"shrinking":        {Factor: 0.5, Jitter: "none"},
		"endless": {Initial: math.MaxInt64, Max: math.MaxInt64, SlowMax: math.MaxInt64, Factor: math.MaxFloat64,
			Jitter: "none"},
	}
	for name, p := range tests {
		t.Run(name, func(t *testing.T) {
			story(t, p, down, func(w *world) {
				w.pass(10 * sec)
				if n := len(w.gaps()); n > 20 || n < 2 && name != "endless" {
					t.Errorf("%d tries in 10 s", n)
				}
			})
		})
	}
}

func TestAPolicyIsLive(t *testing.T) {
	slow := exact()
	slow.Initial, slow.Max = time.Hour, time.Hour
	story(t, slow, down, func(w *world) {
		w.pass(sec)
		w.loop.SetPolicy(exact())
		w.pass(0)
		s := w.loop.State()
		if got := time.Until(s.NextTry); got != sec { // from now, by the new bound
			t.Errorf("the next try is in %v", got)
		}
		if s.Phase != reconnect.Waiting || s.Since != w.start {
			t.Errorf("it is not the same wait: %+v", s)
		}
		w.pass(2500 * ms)
		w.wantGaps(0, 2*sec, sec)
	})
}

func TestAPolicySetDuringASessionIsThatOfTheNextWait(t *testing.T) {
	story(t, exact(), upFor(3*sec), func(w *world) {
		p := exact()
		p.Initial = 700 * ms
		w.loop.SetPolicy(p)
		w.become(up)
		w.pass(4 * sec)
		w.wantGaps(0, 3*sec+700*ms)
		w.wantPhases(connecting, connected, waiting, connecting, connected)
	})
}

func TestAnOddPolicySetLateDoesNotSpin(t *testing.T) {
	story(t, exact(), down, func(w *world) {
		w.loop.SetPolicy(reconnect.Policy{Jitter: reconnect.JitterNone})
		w.pass(5 * sec)
		w.wantGaps(0, 100*ms, 200*ms, 400*ms, 800*ms, sec, sec, sec)
	})
}

// takenOver asks for a wait of its own.
type takenOver struct{ min, max time.Duration }

func (takenOver) Error() string                     { return "taken over" }
func (e takenOver) Delay() (min, max time.Duration) { return e.min, e.max }
func (e takenOver) session(d time.Duration) reconnect.Session {
	return func(ctx context.Context, up func(string)) error {
		up("broker:1883")
		time.Sleep(d)
		return fmt.Errorf("serve: %w", e)
	}
}

func TestAnErrorMayAskForItsOwnWait(t *testing.T) {
	for name, held := range map[string]time.Duration{"held": time.Minute, "did not hold": 0} {
		t.Run(name, func(t *testing.T) {
			low, high := time.Duration(math.MaxInt64), time.Duration(0)
			for range 100 {
				story(t, reconnect.DefaultPolicy(), takenOver{30 * sec, 5 * time.Minute}.session(held), func(w *world) {
					w.pass(held)
					wait := time.Until(w.loop.State().NextTry)
					w.loop.SetPolicy(exact()) // does not change it
					low, high = min(low, wait), max(high, wait)
					w.become(up)
					w.pass(wait - 1)
					if n := len(w.gaps()); n != 1 {
						t.Fatalf("%d sessions before the wait was over", n)
					}
					w.pass(1)
					if s := w.loop.State(); s.Phase != reconnect.Connected {
						t.Fatalf("%+v after %v", s, wait)
					}
				})
			}
			// Missing an outer sixth by chance: (5/6)^100.
			if low < 30*sec || low > 75*sec || high > 5*time.Minute || high < 255*sec {
				t.Errorf("waits from %v to %v", low, high)
			}
		})
	}
}

func TestAnOddDelay(t *testing.T) {
	for name, test := range map[string]struct {
		asked takenOver
		want  time.Duration
	}{
		"none":     {takenOver{0, 0}, 100 * ms}, // as the policy says, or it would spin
		"negative": {takenOver{-time.Hour, -time.Minute}, 100 * ms},
		"inverted": {takenOver{time.Minute, sec}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, exact(), test.asked.session(0), func(w *world) {
				w.become(up)
				w.pass(test.want)
				w.wantGaps(0, test.want)
			})
		})
	}
}
