package transporttest

import (
	"context"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/transport"
)

// patience is how long a test waits for what must come.
const patience = 15 * time.Second

// quiet is how long a test waits for what must not come.
const quiet = 200 * time.Millisecond

// within is a context for one step of a test.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// open dials and subscribes; the session is closed at the end of the test.
func open(t *testing.T, d transport.Driver) transport.Session {
	t.Helper()
	s := dial(t, d)
	if err := s.Subscribe(within(t)); err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	return s
}

func dial(t *testing.T, d transport.Driver) transport.Session {
	t.Helper()
	s, err := d.Dial(within(t))
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = s.Close(ctx)
	})
	return s
}

func publish(t *testing.T, s transport.Session, e *event.Event) transport.Receipt {
	t.Helper()
	receipt, err := s.Publish(within(t), e)
	if err != nil {
		t.Fatalf("publish %s: %v", e.Type, err)
	}
	return receipt
}

// take waits for a delivery.
func take(t *testing.T, s transport.Session) transport.Delivery {
	t.Helper()
	select {
	case d, ok := <-s.Received():
		if !ok {
			t.Fatalf("no delivery: the session has ended: %v", s.Err())
		}
		if (d.Event == nil) == (d.Err == nil) || d.Ack == nil {
			t.Fatalf("delivery %+v does not have exactly one of Event and Err, and Ack", d)
		}
		return d
	case <-time.After(patience):
		t.Fatal("no delivery came")
		panic("unreachable")
	}
}

// takeEvent waits for an event and acknowledges it.
func takeEvent(t *testing.T, s transport.Session) *event.Event {
	t.Helper()
	d := take(t, s)
	if d.Err != nil {
		t.Fatalf("delivery is an error: %v", d.Err)
	}
	d.Ack()
	return d.Event
}

// nothingComes checks that no delivery waits or arrives.
func nothingComes(t *testing.T, s transport.Session) {
	t.Helper()
	select {
	case d, ok := <-s.Received():
		if ok {
			t.Fatalf("a delivery came on %s that must not: %+v", d.Topic, d.Event)
		}
	case <-time.After(quiet):
	}
}

// ended waits for the end of the session.
func ended(t *testing.T, s transport.Session) {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(patience):
		t.Fatal("the session did not end")
	}
	if s.Err() == nil {
		t.Error("the session has ended without an error that says why")
	}
}
