package proxy

import (
	"errors"
	"fmt"
	"time"

	"github.com/pillion-dev/pillion/pkg/reconnect"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// Status is the state of the sidecar as a value.
func (p *Proxy) Status() resource.Status {
	s := resource.Status{
		Role: p.opts.Role, ID: p.opts.ID, Cluster: p.opts.Cluster, Version: p.opts.Version,
		Connection: p.connectionStatus(),
		Resources:  p.counts(),
		Store:      resource.StoreStatus{Synced: p.scopes(), Bytes: p.store.Bytes()},
	}
	if p.opts.Config != nil {
		s.Config = p.opts.Config()
	}
	askedAt, _ := p.asks.state()
	s.Resync = resource.ResyncStatus{AskedAt: timeOrNil(askedAt), HeldDeletes: p.guard.status()}
	if at := p.lastEvent.Load(); at != 0 {
		s.Resync.LastEventAt = timeOrNil(time.Unix(0, at))
	}
	return s
}

// connectionStatus names the broker of the session or, while there is none, the
// one that is tried.
func (p *Proxy) connectionStatus() resource.ConnectionStatus {
	s := p.loop.State()
	broker := s.Broker
	if driver := p.currentDriver(); driver != nil && s.Phase != reconnect.Connected {
		broker = driver.Broker()
	}
	return resource.ConnectionStatus{
		State: string(s.Phase), Broker: broker, Since: s.Since.UTC(), Attempt: s.Attempt,
		LastError: s.LastError, NextTry: timeOrNil(s.NextTry),
	}
}

// counts counts the resources by state.
func (p *Proxy) counts() resource.ResourceCounts {
	var c resource.ResourceCounts
	for m := range p.store.All() {
		if !m.Visible() {
			continue
		}
		c.Total++
		switch p.side.state(m) {
		case resource.Deleting:
			c.Deleting++
		case resource.Pending:
			c.Pending++
		case resource.Published:
			c.Published++
		case resource.Observed:
			c.Observed++
		}
	}
	return c
}

// Ready lists the parts of readiness by name (docs/api.md, Health).
func (p *Proxy) Ready() []resource.Check {
	state := p.loop.State()
	return []resource.Check{
		{Name: "broker", Err: brokerReady(state)},
		{Name: "subscribed", Err: p.subscribedReady()},
		{Name: "store", Err: p.storeReady()},
		{Name: "resync", Err: p.resyncReady()},
	}
}

func brokerReady(s reconnect.State) error {
	if s.Phase == reconnect.Connected {
		return nil
	}
	if s.LastError == "" {
		return errors.New("connecting")
	}
	return errors.New(s.LastError)
}

func (p *Proxy) subscribedReady() error {
	if p.online.Load() {
		return nil
	}
	return errors.New("not subscribed")
}

func (p *Proxy) storeReady() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled != nil {
		return fmt.Errorf("received events cannot be stored and stay with the broker: %w", p.stalled)
	}
	return p.store.Err()
}

func (p *Proxy) resyncReady() error {
	if _, complete := p.asks.state(); !p.online.Load() || !complete {
		return errors.New("the other side was not yet asked what it has")
	}
	return nil
}
