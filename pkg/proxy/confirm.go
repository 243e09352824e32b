package proxy

import (
	"context"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// confirmingPoll is how often is looked whether a confirmation has left: a
// tombstone is no resource, and its changes wake nobody.
const confirmingPoll = 10 * time.Millisecond

// confirming is the tombstone of a deletion that was confirmed here, as long as
// the broker has not taken that; nil if there is none. The source of the key may
// be left out.
func (p *Proxy) confirming(k resource.Key) *store.Meta {
	if p.opts.Role != resource.Agent {
		return nil
	}
	for _, g := range p.store.Groups() {
		if g.DataType != k.DataType || g.Cluster != k.Cluster || k.Source != "" && g.Source != k.Source {
			continue
		}
		if m := p.store.Meta(g.Key(k.ID)); unconfirmed(m) {
			return m
		}
	}
	return nil
}

func unconfirmed(m *store.Meta) bool { return m != nil && !m.Gone.IsZero() && m.Out.Pending }

// awaitConfirmed waits until the broker has taken the confirmation of a
// deletion, or ctx ends.
func (p *Proxy) awaitConfirmed(ctx context.Context, m *store.Meta) error {
	poll := time.NewTicker(confirmingPoll)
	defer poll.Stop()
	for {
		now := p.store.Meta(m.Key)
		if !unconfirmed(now) || !now.Gone.Equal(m.Gone) {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return p.tooLate(m.Key, m, resource.WaitPublished)
		}
	}
}
