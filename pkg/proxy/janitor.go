package proxy

import (
	"context"
	"slices"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// Bounds of what is remembered of deleted resources.
const (
	janitorEvery   = time.Hour
	mostTombstones = 100000 // confirmed ones; the oldest go first
)

// janitor forgets tombstones that nobody needs any more.
func (p *Proxy) janitor(ctx context.Context) error {
	tick := time.NewTicker(janitorEvery)
	defer tick.Stop()
	for {
		if err := p.sweep(ctx); err != nil && ctx.Err() == nil {
			p.log.Warn("cannot forget old deletions", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (p *Proxy) sweep(ctx context.Context) error {
	for chunk := range slices.Chunk(p.forgettable(time.Now()), chunkSize) {
		err := p.store.Update(ctx, func(tx *store.Tx) error {
			for _, key := range chunk {
				if m := tx.Meta(key); m != nil && !needed(m) {
					tx.Remove(key)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// needed tells whether a record must stay whatever its age. That its app has not
// taken the deletion from the queue is no reason: an app that watches instead
// never does.
func needed(m *store.Meta) bool { return m.Visible() || m.Next != nil }

func (p *Proxy) forgettable(now time.Time) (keys []resource.Key) {
	var settled []*store.Meta
	for m := range p.store.All() {
		switch {
		case needed(m):
		case now.Sub(p.side.settledSince(m)) > p.side.keep():
			keys = append(keys, m.Key)
		case !m.Confirmed.IsZero() && !m.Out.Pending:
			settled = append(settled, m)
		}
	}
	if over := len(settled) - mostTombstones; over > 0 {
		slices.SortFunc(settled, func(x, y *store.Meta) int { return x.Gone.Compare(y.Gone) })
		for _, m := range settled[:over] {
			keys = append(keys, m.Key)
		}
	}
	return keys
}
