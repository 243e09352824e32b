package proxy

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// Times that were stored before the clock was set back are to come for days.
// Nothing waits for them.

const setBack = 48 * time.Hour

func TestRaisesAfterTheClockWasSetBack(t *testing.T) {
	engine(t, func(t *testing.T, s *source, put func(string) resource.Key) {
		key := put(`{}`)
		later := time.Now().Add(setBack).Unix()
		update(t, s, func(tx *store.Tx) {
			m := *tx.Meta(key)
			m.Out.Raises = []int64{later - 120, later - 60, later}
			tx.Put(m, store.Write{})
		})
		update(t, s, func(tx *store.Tx) { s.ahead(tx, *tx.Meta(key), 7) })
		if m := s.store.Meta(key); m.Version != 8 || m.Out.Error != "" {
			t.Fatalf("version %d, error %q", m.Version, m.Out.Error)
		}
		update(t, s, func(tx *store.Tx) { s.ahead(tx, *tx.Meta(key), 9) }) // within the minute
		if m := s.store.Meta(key); m.Version != 8 {
			t.Fatalf("version %d", m.Version)
		}
	})
}

func TestDeletionsAreToldAgainAfterTheClockWasSetBack(t *testing.T) {
	engine(t, func(t *testing.T, s *source, put func(string) resource.Key) {
		key := put(`{}`)
		update(t, s, func(tx *store.Tx) {
			m := *tx.Meta(key)
			m.Gone = tx.Now()
			m.Confirmed, m.Out.PublishedAt = tx.Now().Add(setBack), tx.Now().Add(setBack)
			m.Out.Pending = false
			tx.Put(m, store.Write{})
		})
		asked := time.Now()
		for entry := range specEntries([]*store.Meta{s.store.Meta(key)}) {
			if entry.GoneConfirmedAt.After(asked) {
				t.Error("an agent that lists it is not told")
			}
		}
		if !s.owed(s.store.Meta(key), shipment{why: reason{response: true, askedAt: asked}}) {
			t.Error("an agent that has listed it is not told")
		}
		update(t, s, func(tx *store.Tx) { s.afterlife(tx, *tx.Meta(key), false) })
		if !s.store.Meta(key).Out.Pending {
			t.Error("an agent that speaks of it is not told")
		}
	})
}

// The deletes of an hour count for an hour from then, whatever the clock does.
func TestDeletesCountAfterTheClockWasSetBack(t *testing.T) {
	engine(t, func(t *testing.T, s *source, _ func(string) resource.Key) {
		live := *s.live.Load()
		live.Resync.MaxDeletes = 2
		s.live.Store(&live)
		if err := s.Synced(context.Background(), resource.Scope{}); err != nil {
			t.Fatal(err)
		}
		group := resource.Group{DataType: "a.v1.b", Source: "s", Cluster: "c"}
		for i := range 2 {
			s.guard.told[fmt.Sprint(i)] = time.Now().Add(setBack).Unix()
		}
		tells := func() bool {
			if err := s.guard.request(context.Background(), group, []event.ResourceVersion{{ResourceID: "x"}}, time.Now()); err != nil {
				t.Fatal(err)
			}
			return s.OutboxLen() > 0
		}
		if tells() {
			t.Fatal("more are told than an hour may have")
		}
		time.Sleep(time.Hour + time.Second)
		if !tells() {
			t.Fatal("an hour later none is told")
		}
	})
}
