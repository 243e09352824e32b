package reconnect_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/reconnect"
)

const (
	connecting = reconnect.Connecting
	connected  = reconnect.Connected
	waiting    = reconnect.Waiting
)

func TestTheStateTellsTheStory(t *testing.T) {
	story(t, exact(), down, func(w *world) {
		w.pass(50 * ms)
		want := reconnect.State{Phase: waiting, Since: w.start, Attempt: 1, LastError: errDown.Error(), NextTry: w.start.Add(100 * ms)}
		if got := w.loop.State(); got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		w.become(upFor(20 * sec))
		w.pass(50 * ms)
		want = reconnect.State{Phase: connected, Broker: "broker:1883", Since: w.start.Add(100 * ms), Attempt: 2, LastError: errDown.Error()}
		if got := w.loop.State(); got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		w.become(up)
		w.pass(20 * sec)
		want = reconnect.State{Phase: connected, Broker: "broker:1883", Since: w.start.Add(100*ms + 20*sec), Attempt: 1, LastError: errDown.Error()}
		if got := w.loop.State(); got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		w.wantPhases(connecting, waiting, connecting, connected, waiting, connecting, connected)
	})
}

func TestEachTryIsLoggedOnce(t *testing.T) {
	story(t, exact(), down, func(w *world) {
		w.pass(sec) // tries at 0, 0.1, 0.3 and 0.7 s; the cause stays, so the first is a warning
		w.become(upFor(11 * sec))
		w.pass(2 * sec)
		w.become(up)
		w.pass(20 * sec)
		for _, want := range []struct {
			n     int
			parts []string
		}{
			{1, []string{"level=WARN", `msg="connection failed"`, `error="the broker is down"`, "attempt=1", "nextTry="}},
			{3, []string{"level=DEBUG", `msg="connection failed"`, `error="the broker is down"`, "attempt=", "nextTry="}},
			{1, []string{`msg="connection failed"`, "attempt=4"}},
			{1, []string{"level=WARN", `msg="connection lost"`, `error="the broker is down"`, "attempt=5", "nextTry="}},
			{1, []string{"level=INFO", "msg=connected", "broker=broker:1883", "attempt=5"}},
			{1, []string{"level=INFO", "msg=connected", "broker=broker:1883", "attempt=1"}},
			{7, nil},
		} {
			if got := w.logged(want.parts...); got != want.n {
				t.Errorf("%d lines of %q, want %d:\n%s", got, want.parts, want.n, w.log)
			}
		}
	})
}

func TestACauseThatStaysIsAWarningEachMinute(t *testing.T) {
	story(t, exact(), down, func(w *world) {
		w.pass(3*time.Minute + sec)
		if n := w.logged("level=WARN"); n < 3 || n > 4 { // tries become rare after the first minute
			t.Errorf("%d warnings in 3 minutes", n)
		}
		w.become(func(context.Context, func(string)) error { return errors.New("another cause") })
		w.pass(2 * time.Minute)
		if n := w.logged("level=WARN", "another cause"); n < 1 || n > 2 {
			t.Errorf("%d warnings of another cause", n)
		}
	})
}

func TestRestart(t *testing.T) {
	tests := map[string]struct {
		session reconnect.Session
		after   time.Duration
		phase   reconnect.Phase
	}{
		"while connecting": {func(ctx context.Context, _ func(string)) error { <-ctx.Done(); return errDown }, sec, connecting},
		"while connected":  {up, sec, connected},
		"while waiting":    {down, time.Hour - sec, waiting},
		"while taken over": {takenOver{time.Hour, time.Hour}.session(0), sec, waiting},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			story(t, exact(), test.session, func(w *world) {
				w.pass(test.after)
				if got := w.loop.State().Phase; got != test.phase {
					t.Fatalf("the phase is %s, want %s", got, test.phase)
				}
				warned, before := w.logged("level=WARN"), len(w.gaps())
				w.become(down)
				w.loop.Restart("new configuration")
				w.pass(0)
				if s := w.loop.State(); len(w.gaps()) != before+1 || s.Attempt != 1 || time.Until(s.NextTry) != 100*ms {
					t.Errorf("%d tries follow at once; then %+v", len(w.gaps())-before, s)
				}
				if n := w.logged("level=INFO", `msg="session restarted"`, `reason="new configuration"`); n != 1 {
					t.Errorf("logged %d times", n)
				}
				if n := w.logged("level=WARN") - warned; n != 1 { // the try that followed
					t.Errorf("%d warnings:\n%s", n, w.log)
				}
			})
		})
	}
}

func TestRestartForgetsTheError(t *testing.T) {
	story(t, exact(), down, func(w *world) {
		w.pass(sec)
		w.become(up)
		w.loop.Restart("new configuration")
		w.pass(0)
		want := reconnect.State{Phase: connected, Broker: "broker:1883", Since: w.start.Add(sec), Attempt: 1}
		if got := w.loop.State(); got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}

func TestManyRestartsAtOnceAreFine(t *testing.T) {
	story(t, exact(), up, func(w *world) {
		for range 100 {
			go w.loop.Restart("again")
			go w.loop.SetPolicy(exact())
			go w.loop.State()
		}
		w.pass(sec)
		if s := w.loop.State(); s.Phase != connected {
			t.Errorf("%+v", s)
		}
		if n := len(w.gaps()); n < 2 || n > 101 {
			t.Errorf("%d sessions", n)
		}
	})
}

func TestRestartBeforeRunDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := reconnect.NewLoop(exact(), nil)
		loop.Restart("too early")
		if got := loop.State(); got.Phase != connecting || got.Since.IsZero() {
			t.Errorf("got %+v", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), sec)
		defer cancel()
		if err := loop.Run(ctx, up); err != nil {
			t.Error(err)
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	for name, session := range map[string]reconnect.Session{"connected": up, "waiting": down} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour+500*ms)
				defer cancel()
				started := time.Now()
				if err := reconnect.NewLoop(exact(), nil).Run(ctx, session); err != nil {
					t.Errorf("Run returned %v", err)
				}
				if d := time.Since(started); d != time.Hour+500*ms {
					t.Errorf("Run ended after %v", d)
				}
			})
		})
	}
}

func TestASessionThatEndsWithoutAnErrorIsTriedAgain(t *testing.T) {
	story(t, exact(), func(context.Context, func(string)) error { return nil }, func(w *world) {
		w.pass(150 * ms)
		w.wantGaps(0, 100*ms)
		if w.loop.State().LastError == "" {
			t.Error("the state gives no reason")
		}
	})
}

func TestUpCountsOnce(t *testing.T) {
	session := func(_ context.Context, up func(string)) error {
		up("first")
		time.Sleep(9 * sec)
		up("second")
		time.Sleep(9 * sec)
		return errors.New("lost")
	}
	story(t, exact(), session, func(w *world) {
		w.become(down)
		w.pass(10 * sec)
		if got := w.loop.State(); got.Broker != "first" || got.Since != w.start {
			t.Errorf("got %+v", got)
		}
		w.pass(8 * sec)
		w.wantGaps(0, 18*sec) // it held since the first
	})
}

func TestHurryEndsAWait(t *testing.T) {
	story(t, exact(), down, func(w *world) {
		w.pass(time.Hour) // tries have become rare
		before := len(w.gaps())
		w.loop.Hurry()
		w.pass(sec) // at once, and after 0.1, 0.2, 0.4 s
		if n := len(w.gaps()) - before; n != 4 {
			t.Errorf("%d tries in a second, want 4", n)
		}
	})
}

func TestHurryLeavesAWaitThatAnErrorAskedFor(t *testing.T) {
	story(t, exact(), takenOver{time.Hour, time.Hour}.session(0), func(w *world) {
		w.pass(sec)
		before := len(w.gaps())
		w.loop.Hurry()
		w.pass(time.Minute)
		if n := len(w.gaps()); n != before {
			t.Errorf("%d tries though another client has the session", n-before)
		}
	})
}
