package transporttest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/transport"
)

// promptly is what "at once" means, with room for a busy machine.
const promptly = time.Second

func infoIsComplete(t *testing.T, h Harness) {
	info := dial(t, h.Start(t).Driver(t, hub)).Info()
	if info.Broker == "" || info.MaxInFlight < 1 {
		t.Errorf("info is %+v", info)
	}
}

func closeEnds(t *testing.T, h Harness) {
	b := h.Start(t)
	source, agent := open(t, b.Driver(t, hub)), open(t, b.Driver(t, agent1))
	if agent.Err() != nil {
		t.Errorf("an open session has the error %v", agent.Err())
	}
	publish(t, source, spec(agent1.Cluster, 1))
	waiting := take(t, agent)
	if err := agent.Close(within(t)); err != nil {
		t.Errorf("close: %v", err)
	}
	over(t, agent)
	if !errors.Is(agent.Err(), transport.ErrClosed) {
		t.Errorf("error after Close is %v", agent.Err())
	}
	waiting.Ack() // no effect
	if err := agent.Close(within(t)); err != nil {
		t.Errorf("close again: %v", err)
	}
}

// over checks what a session does after its end.
func over(t *testing.T, s transport.Session) {
	t.Helper()
	ended(t, s)
	for d := range s.Received() { // closed once everything is taken
		d.Ack()
	}
	if _, err := s.Publish(within(t), status(1)); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("publish after the end: %v", err)
	}
	if err := s.Subscribe(within(t)); err == nil {
		t.Error("subscribe after the end succeeds")
	}
}

func breakEnds(t *testing.T, h Harness) {
	b := h.Start(t)
	source, agent := open(t, b.Driver(t, hub)), open(t, b.Driver(t, agent1))
	const count = 20
	for n := range count {
		publish(t, source, spec(agent1.Cluster, n))
	}
	first := take(t, agent) // so that some wait in Received
	b.Break()
	ended(t, agent)
	first.Ack()
	over(t, agent)
}

func inFlightEnds(t *testing.T, h Harness) {
	b := h.Start(t)
	agent := open(t, b.Driver(t, agent1))
	b.Freeze()
	const publishers = 5
	results := make(chan error, publishers)
	for range publishers {
		go func() {
			_, err := agent.Publish(t.Context(), status(1))
			results <- err
		}()
	}
	select {
	case err := <-results:
		t.Fatalf("a publish ended before the connection did: %v", err)
	case <-time.After(quiet):
	}
	start := time.Now()
	b.Break()
	for range publishers {
		select {
		case err := <-results:
			if !errors.Is(err, transport.ErrClosed) {
				t.Errorf("error is %v", err)
			}
		case <-time.After(patience):
			t.Fatal("a publish in flight does not end with the connection")
		}
	}
	if waited := time.Since(start); waited > promptly {
		t.Errorf("publishes in flight ended after %s", waited)
	}
}

func publishContext(t *testing.T, h Harness) {
	b := h.Start(t)
	agent := open(t, b.Driver(t, agent1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := agent.Publish(ctx, status(1)); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("publish with a context that has ended: %v", err)
	}
	publish(t, agent, status(2)) // the session goes on

	b.Freeze()
	ctx, cancel = context.WithTimeout(t.Context(), quiet)
	defer cancel()
	start := time.Now()
	if _, err := agent.Publish(ctx, status(3)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publish without an answer: %v", err)
	}
	if waited := time.Since(start); waited > quiet+promptly {
		t.Errorf("publish returned after %s, its context ended after %s", waited, quiet)
	}
	b.Break()
}

func dialContext(t *testing.T, h Harness) {
	b := h.Start(t)
	driver := b.Driver(t, hub)
	b.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), quiet)
	defer cancel()
	start := time.Now()
	if _, err := driver.Dial(ctx); err == nil {
		t.Fatal("dial succeeds without an answer")
	}
	if waited := time.Since(start); waited > quiet+promptly {
		t.Errorf("dial returned after %s, its context ended after %s", waited, quiet)
	}
	b.Break()
}

func dialFails(t *testing.T, h Harness) {
	b := h.Start(t)
	driver := b.Driver(t, hub)
	b.Kill()
	if _, err := driver.Dial(within(t)); err == nil {
		t.Fatal("dial succeeds without a broker")
	}
	b.Restart()
	open(t, driver)
}

func connectsAgain(t *testing.T, h Harness) {
	b := h.Start(t)
	sources, agents := b.Driver(t, hub), b.Driver(t, agent1)
	for round := range 3 {
		source, agent := open(t, sources), open(t, agents)
		publish(t, source, spec(agent1.Cluster, round))
		expectInOrder(t, agent, round, round+1)
		b.Kill()
		ended(t, source)
		ended(t, agent)
		b.Restart()
	}
}
