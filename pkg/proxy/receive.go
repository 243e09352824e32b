package proxy

import (
	"context"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/store"
	"github.com/pillion-dev/pillion/pkg/transport"
)

// Bounds of a batch: so many waiting events share a commit, or the event that
// passes so many bytes is its last.
const (
	receiveBatch = 256
	receiveBytes = 4 << 20
)

// receive takes what arrives until the session ends: many events in one
// commit, then acknowledged in order. While commits fail nothing is
// acknowledged, and readyz says so.
func (p *Proxy) receive(ctx context.Context, s transport.Session) error {
	for {
		batch, open := collect(ctx, s.Received())
		if len(batch) > 0 {
			if err := p.takeIn(ctx, batch); err != nil {
				return err
			}
		}
		if !open {
			return ctx.Err()
		}
	}
}

// collect waits for one delivery and takes what else is there.
func collect(ctx context.Context, from <-chan transport.Delivery) (batch []transport.Delivery, open bool) {
	select {
	case <-ctx.Done():
		return nil, false
	case d, ok := <-from:
		if !ok {
			return nil, false
		}
		batch = append(batch, d)
	}
	for bytes := size(batch[0]); len(batch) < receiveBatch && bytes < receiveBytes; {
		select {
		case d, ok := <-from:
			if !ok {
				return batch, false
			}
			batch, bytes = append(batch, d), bytes+size(d)
		default:
			return batch, true
		}
	}
	return batch, true
}

// size is about what a delivery needs in memory and in a commit.
func size(d transport.Delivery) int {
	if d.Event == nil {
		return 0
	}
	return len(d.Event.Payload.Data) + len(d.Event.Metadata)
}

// takeIn stores a batch, acknowledges it, and tells who waits for it.
func (p *Proxy) takeIn(ctx context.Context, batch []transport.Delivery) error {
	p.lastEvent.Store(time.Now().UnixNano())
	outcomes := make([]outcome, len(batch))
	var stored []int // about one resource each
	for i, d := range batch {
		switch outcomes[i].drop = p.screen(d); {
		case outcomes[i].drop != "":
			p.metrics.dropped(d, outcomes[i].drop)
		case d.Event.Type.Action != event.ResyncRequest:
			stored = append(stored, i)
		}
	}
	if len(stored) > 0 {
		if err := p.storeAll(ctx, batch, outcomes, stored); err != nil {
			return err
		}
	}
	for _, i := range stored {
		if outcomes[i].drop != "" {
			p.metrics.dropped(batch[i], outcomes[i].drop)
		}
	}
	p.traceReceived(batch, outcomes)
	for i, d := range batch {
		d.Ack()
		if d.Event != nil && known(outcomes[i].drop) {
			p.noticed(d.Event, outcomes[i].news)
		}
	}
	return nil
}

// known tells whether a drop reason leaves no doubt about who sent the event.
func known(drop string) bool {
	return drop == "" || drop == dropStale || drop == dropUnknown || drop == dropAnotherLife
}

// screen refuses what needs no look into the store.
func (p *Proxy) screen(d transport.Delivery) string {
	if d.Err != nil {
		return dropDecode
	}
	if d.Event.Time.IsZero() { // it is optional; the rules of order need one
		d.Event.Time = time.Now()
	}
	if !p.live.Load().handles(d.Event.Type.DataType) {
		return dropDataType
	}
	drop := p.side.screen(d.Event)
	if drop == "" {
		p.metrics.received(d.Event)
	}
	return drop
}

// storeAll commits the events about resources, and tries until it can: the
// broker keeps what is not acknowledged.
func (p *Proxy) storeAll(ctx context.Context, batch []transport.Delivery, outcomes []outcome, which []int) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := p.store.Update(ctx, func(tx *store.Tx) error {
			for _, i := range which {
				var err error
				if outcomes[i], err = p.side.receive(tx, batch[i].Event); err != nil {
					return err
				}
			}
			return nil
		})
		if ctx.Err() != nil {
			p.setStalled(nil) // the session ends, and the next one says anew
			return err
		}
		p.setStalled(err)
		if err == nil {
			return nil
		}
		p.log.Error("cannot store received events; they stay with the broker", "events", len(which), "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (p *Proxy) setStalled(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = err
}

// noticed tells outbox, answers and questions that a peer was heard.
func (p *Proxy) noticed(e *event.Event, news bool) {
	peer := p.side.sender(e)
	if e.Type.Action == event.ResyncRequest {
		p.answers.add(peer, e) // says itself when it has marked what the peer lacks
	} else {
		p.outbox.heard(peer, time.Now())
	}
	p.asks.heard(peer, e, news)
}

// The reasons for which an event is dropped, as the metric names them.
const (
	dropDecode      = "undecodable"
	dropDataType    = "data_type"
	dropUnexpected  = "unexpected_type"
	dropCluster     = "foreign_cluster"
	dropSource      = "foreign_source"
	dropPayload     = "payload"
	dropStale       = "stale"
	dropUnknown     = "unknown_resource"
	dropSequence    = "sequence_id"
	dropAnotherLife = "before_deletion"
	dropOverload    = "overload"
)
