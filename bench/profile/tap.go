package main

import (
	"context"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/transport"
)

// tapBackend notes when calls come in and go out.
type tapBackend struct {
	localapi.Backend
	marks *marks
}

// Put notes its beginning.
func (t *tapBackend) Put(ctx context.Context, req resource.PutRequest) (*resource.Resource, bool, error) {
	t.marks.pass("backend has put")
	return t.Backend.Put(ctx, req)
}

// Lease notes when there is something.
func (t *tapBackend) Lease(ctx context.Context, req resource.LeaseRequest) ([]resource.LeaseItem, error) {
	items, err := t.Backend.Lease(ctx, req)
	if len(items) > 0 {
		t.marks.pass("lease handed out")
	}
	return items, err
}

// tapDriver notes what passes a session.
type tapDriver struct {
	transport.Driver
	marks *marks
	role  resource.Role
}

// Dial wraps the session.
func (t *tapDriver) Dial(ctx context.Context) (transport.Session, error) {
	s, err := t.Driver.Dial(ctx)
	if err != nil {
		return nil, err
	}
	session := &tapSession{Session: s, tapDriver: t, received: s.Received()}
	if t.role == resource.Agent {
		session.received = t.forward(s.Received())
	}
	return session, nil
}

// forward passes deliveries on, which costs a hand-over.
func (t *tapDriver) forward(from <-chan transport.Delivery) <-chan transport.Delivery {
	to := make(chan transport.Delivery)
	go func() {
		defer close(to)
		for d := range from {
			t.marks.pass("agent has delivery")
			ack := d.Ack
			d.Ack = func() {
				t.marks.pass("agent acknowledged")
				ack()
			}
			to <- d
		}
	}()
	return to
}

type tapSession struct {
	transport.Session
	*tapDriver
	received <-chan transport.Delivery
}

// Publish notes its beginning.
func (t *tapSession) Publish(ctx context.Context, e *event.Event) (transport.Receipt, error) {
	if t.role == resource.Source {
		t.marks.pass("publish called")
	}
	return t.Session.Publish(ctx, e)
}

// Received is what is passed on.
func (t *tapSession) Received() <-chan transport.Delivery { return t.received }
