package reconnect_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/reconnect"
)

var errDown = errors.New("the broker is down")

// exact is the default policy without jitter.
func exact() reconnect.Policy {
	p := reconnect.DefaultPolicy()
	p.Jitter = reconnect.JitterNone
	return p
}

// world is a loop that runs against a broker that obeys the test.
type world struct {
	t     *testing.T
	loop  *reconnect.Loop
	start time.Time
	log   *bytes.Buffer

	mu      sync.Mutex
	tries   []time.Duration // when each session began, since start
	changes []reconnect.State
	session reconnect.Session // what a session does
}

// story runs f in a bubble of fake time with a loop that runs; session is
// what its sessions do at first.
func story(t *testing.T, p reconnect.Policy, session reconnect.Session, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, start: time.Now(), log: &bytes.Buffer{}, session: session}
		w.loop = reconnect.NewLoop(p, slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
		w.loop.OnChange(w.changed)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.loop.Run(ctx, w.serve) }()
		synctest.Wait()
		f(w)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
}

func (w *world) serve(ctx context.Context, up func(string)) error {
	w.mu.Lock()
	w.tries = append(w.tries, time.Since(w.start))
	session := w.session
	w.mu.Unlock()
	return session(ctx, up)
}

func (w *world) changed(s reconnect.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes = append(w.changes, s)
}

// become changes what sessions do from the next one on.
func (w *world) become(s reconnect.Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.session = s
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// gaps are the times between the tries until now, the first since start.
func (w *world) gaps() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var gaps []time.Duration
	last := time.Duration(0)
	for _, at := range w.tries {
		gaps = append(gaps, at-last)
		last = at
	}
	return gaps
}

func (w *world) wantGaps(want ...time.Duration) {
	w.t.Helper()
	if got := w.gaps(); !slices.Equal(got, want) {
		w.t.Fatalf("waits are %v, want %v", got, want)
	}
}

func (w *world) wantPhases(want ...reconnect.Phase) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var got []reconnect.Phase
	for _, s := range w.changes {
		got = append(got, s.Phase)
	}
	if !slices.Equal(got, want) {
		w.t.Fatalf("phases were %v, want %v", got, want)
	}
}

// logged counts the lines of the log that hold all parts.
func (w *world) logged(parts ...string) int {
	n := 0
	for line := range strings.Lines(w.log.String()) {
		if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) }) {
			n++
		}
	}
	return n
}

// down is a session that cannot connect.
func down(context.Context, func(string)) error { return errDown }

// up is a session that connects and holds until it is ended.
func up(ctx context.Context, up func(string)) error {
	up("broker:1883")
	<-ctx.Done()
	return ctx.Err()
}

// upFor is a session that connects and breaks after d.
func upFor(d time.Duration) reconnect.Session {
	return func(ctx context.Context, up func(string)) error {
		up("broker:1883")
		select {
		case <-time.After(d):
			return errDown
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
