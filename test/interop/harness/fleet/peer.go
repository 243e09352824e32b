package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/pillion-dev/pillion/test/interop/harness"
)

// peer is what a source and an agent have in common: a life in which they come
// and go, a memory that stays.
type peer struct {
	name  string
	link  Link
	store *Store
	box   *outbox
	dial  func(ctx context.Context, gate *harness.Gate, subscribed func()) (Client, error)

	// of the present connection:
	gate   *harness.Gate
	client Client
	cancel context.CancelFunc
	synced *atomic.Bool // a resync request was taken by the broker
}

// Start connects and waits until the peer is subscribed and has asked for a
// resync, as the SDK's own clients do.
func (p *peer) Start(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	t.Cleanup(cancel)
	// Each connection has a gate of its own, so that nothing left of the one
	// before can come back through it.
	p.gate = harness.NewGate(t, p.link.Broker)
	synced := &atomic.Bool{}
	p.synced = synced
	ask := make(chan struct{}, 1)
	client, err := p.dial(ctx, p.gate, func() {
		select {
		case ask <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	p.client = client
	go p.box.run(ctx, p.store, client)
	go keepSynced(ctx, client, ask, synced)
	harness.Eventually(t, harness.Patience, p.name+" is subscribed", func() error {
		if !p.gate.Subscribed() || !synced.Load() {
			return fmt.Errorf("subscribed %t, resync asked %t", p.gate.Subscribed(), synced.Load())
		}
		return nil
	})
}

// keepSynced asks everybody again after each subscription, until the broker
// has taken it.
func keepSynced(ctx context.Context, client Client, ask <-chan struct{}, synced *atomic.Bool) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-ask:
		}
		for ctx.Err() == nil && resync(ctx, client, "") != nil {
			pause(ctx)
		}
		synced.Store(true)
	}
}

func resync(ctx context.Context, client Client, peer string) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	return client.Resync(ctx, peer)
}

// Stop goes away without a word; the memory stays.
func (p *peer) Stop(t testing.TB) {
	t.Helper()
	if p.cancel == nil {
		return
	}
	p.cancel()
	p.cancel = nil
	if p.gate != nil {
		p.gate.Hold()
	}
}

// Gate is the present connection's.
func (p *peer) Gate() *harness.Gate { return p.gate }

// Get reads one device from the memory.
func (p *peer) Get(t testing.TB, id string) (Device, bool) {
	t.Helper()
	return p.store.Get(id)
}

// ask sends a resync request to one peer.
func (p *peer) ask(t testing.TB, whom string) {
	t.Helper()
	harness.Eventually(t, harness.Patience, p.name+" asks for a resync", func() error {
		if p.client == nil {
			return errors.New("not started")
		}
		return resync(context.Background(), p.client, whom)
	})
}

// Source is an application that declares devices.
type Source struct{ peer }

// NewSource makes one that is not yet connected.
func NewSource(name string, link Link, connector Connector) *Source {
	s := &Source{peer{name: name + " source", link: link, store: NewStore(), box: newOutbox()}}
	s.dial = func(ctx context.Context, gate *harness.Gate, subscribed func()) (Client, error) {
		return connector.Source(ctx, link, gate, s.store, subscribed)
	}
	return s
}

// Put declares a spec under an id.
func (s *Source) Put(t testing.TB, id string, spec json.RawMessage) {
	t.Helper()
	action := Update
	if s.store.declare(s.link.Source, s.link.Cluster, id, spec) {
		action = Create
	}
	s.box.add(job{id: id, sub: Spec, action: action})
}

// Delete asks for deletion; the device stays until the agent confirms.
func (s *Source) Delete(t testing.TB, id string) {
	t.Helper()
	s.store.markDeleted(id)
	s.box.add(job{id: id, sub: Spec, action: Delete})
}

// Forget removes a device without telling anybody.
func (s *Source) Forget(t testing.TB, id string) {
	t.Helper()
	s.store.Remove(id)
}

// Resync asks the cluster for statuses.
func (s *Source) Resync(t testing.TB) {
	t.Helper()
	s.ask(t, s.link.Cluster)
}

// SetStatus changes the status in the memory only, so that its hash differs
// from the agent's.
func (s *Source) SetStatus(id string, status json.RawMessage) {
	s.store.change(id, func(d *Device) { d.Status = status })
}

// Agent is an application that runs devices.
type Agent struct{ peer }

// NewAgent makes one that is not yet connected.
func NewAgent(name string, link Link, connector Connector) *Agent {
	a := &Agent{peer{name: name + " agent", link: link, store: NewStore(), box: newOutbox()}}
	a.dial = func(ctx context.Context, gate *harness.Gate, subscribed func()) (Client, error) {
		return connector.Agent(ctx, link, gate, a.store, subscribed)
	}
	return a
}

// Report publishes a status about the version held.
func (a *Agent) Report(t testing.TB, id string, status json.RawMessage) {
	t.Helper()
	if !a.store.report(id, status) {
		t.Fatalf("the agent does not hold %s", id)
	}
	a.box.add(job{id: id, sub: Status, action: Update})
}

// Confirm reports Deleted=True and forgets the device once the broker has
// taken that.
func (a *Agent) Confirm(t testing.TB, id string) {
	t.Helper()
	a.store.report(id, deletedStatus)
	a.box.add(job{id: id, sub: Status, action: Update, then: func() { a.store.Remove(id) }})
}

// Wipe forgets everything; the agent is not connected.
func (a *Agent) Wipe(t testing.TB) {
	t.Helper()
	a.store.Wipe()
}

// Resync asks the source for specs.
func (a *Agent) Resync(t testing.TB) {
	t.Helper()
	a.ask(t, a.link.Source)
}

// Hold makes the agent hold a device that nobody has sent.
func (a *Agent) Hold(d Device) {
	d.Source, d.Cluster = a.link.Source, a.link.Cluster
	a.store.Set(d)
}
