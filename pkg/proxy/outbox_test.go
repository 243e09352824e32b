package proxy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

func testOutbox() *outbox { return newOutbox(func(k resource.Key) string { return k.Cluster }) }

func boxKey(cluster string, i int) resource.Key {
	return resource.Key{DataType: "a.v1.b", Source: "s", Cluster: cluster, ID: fmt.Sprint(i)}
}

func TestPeersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOutbox()
		for i := range 1000 {
			o.mark(boxKey("busy", i), reason{}, true)
		}
		o.mark(boxKey("quiet", 0), reason{}, true)
		for turn := range 2 {
			s, _ := o.next(context.Background(), 1)
			if turn == 1 && s.key.Cluster != "quiet" {
				t.Errorf("turn %d went to %s", turn, s.key.Cluster)
			}
			o.dropped(s)
		}
	})
}

func TestWindowIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOutbox()
		for i := range 10 {
			o.mark(boxKey("c", i), reason{}, true)
		}
		for range 4 {
			if _, ok := o.next(context.Background(), 4); !ok {
				t.Fatal("nothing to send")
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if s, ok := o.next(ctx, 4); ok {
			t.Errorf("%s is a fifth in a window of 4", s.key)
		}
	})
}

// The word about an earlier flight says nothing about the next one.
func TestSettlingIsOfOneFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOutbox()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		o.mark(boxKey("c", 1), reason{}, true)
		first, _ := o.next(ctx, 5)
		o.delivered(first)
		o.mark(boxKey("c", 1), reason{}, true)
		second, _ := o.next(ctx, 5)
		o.delivered(second)
		o.settled(first, 0)
		o.settled(second, time.Second)
		if third, ok := o.next(ctx, 5); !ok || third.tries != 1 {
			t.Fatalf("the repeat of the second is %+v", third)
		}
	})
}

// An absent peer costs one place for each key, however often it changes.
func TestParkedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOutbox()
		for range 100 {
			o.mark(boxKey("c", 1), reason{}, true)
			s, _ := o.next(context.Background(), 5)
			o.unheard(s)
		}
		if n := len(o.lanes["c"].parked); n != 1 {
			t.Fatalf("%d are parked", n)
		}
		time.Sleep(time.Hour)
		if age := time.Since(o.oldest()); age != time.Hour {
			t.Errorf("the oldest has waited %v", age)
		}
		o.heard("c", time.Now())
		s, _ := o.next(context.Background(), 5)
		o.delivered(s)
		o.settled(s, time.Minute)
		if !o.oldest().IsZero() {
			t.Error("what the broker has taken counts as waiting for it")
		}
	})
}

// What should be sent by a time is not held up by a later one.
func TestEarlierTimeCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, start := testOutbox(), time.Now()
		o.after(boxKey("c", 1), reason{}, start.Add(time.Hour))
		o.after(boxKey("c", 1), reason{raise: true}, start.Add(time.Minute))
		o.after(boxKey("c", 1), reason{}, start.Add(time.Hour))
		s, _ := o.next(context.Background(), 5)
		if waited := time.Since(start); waited != time.Minute || !s.why.raise {
			t.Errorf("sent after %v: %+v", waited, s.why)
		}
	})
}

// TestOutboxLosesNothing plays random marks and ends of flights: in the end
// every key was sent after its last mark, and never twice at a time.
func TestOutboxLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		o := testOutbox()
		version, sent := map[resource.Key]int{}, map[resource.Key]int{}
		inFlight := map[resource.Key]shipment{}
		carried := map[resource.Key]int{}
		take := func(patience time.Duration) bool {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			s, ok := o.next(ctx, 5)
			if !ok {
				return false
			}
			if _, twice := inFlight[s.key]; twice {
				t.Fatalf("%s is in flight twice", s.key)
			}
			inFlight[s.key], carried[s.key] = s, version[s.key]
			return true
		}
		land := func(how int) {
			for key, s := range inFlight {
				delete(inFlight, key)
				switch how {
				case 0:
					o.lost(s)
				case 1:
					o.refused(s, time.Minute)
				case 2:
					o.unheard(s)
				case 3:
					o.back(s)
				default:
					o.delivered(s)
					o.settled(s, 0)
					sent[key] = carried[key]
				}
				return
			}
		}
		for range 20000 {
			switch random.IntN(4) {
			case 0:
				key := boxKey(fmt.Sprint(random.IntN(3)), random.IntN(20))
				version[key]++
				o.mark(key, reason{}, true)
			case 1:
				take(time.Millisecond)
			case 2:
				land(random.IntN(40))
			case 3:
				if random.IntN(100) == 0 {
					o.heard(fmt.Sprint(random.IntN(3)), time.Now())
					o.opened()
				}
			}
		}
		for range 3 {
			for len(inFlight) > 0 {
				land(99)
			}
			o.heard("0", time.Now())
			o.heard("1", time.Now())
			o.heard("2", time.Now())
			for take(2 * setAsideFor) {
				land(99)
			}
		}
		for key, v := range version {
			if sent[key] != v {
				t.Errorf("%s: version %d was sent last, of %d", key, sent[key], v)
			}
		}
		if !o.idle() || len(o.parcels) != 0 {
			t.Errorf("%d parcels remain", len(o.parcels))
		}
	})
}

// A peer that was heard is not unheard by the word of an answer to it that had
// begun before.
func TestHeardDoesNotGoBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, key, began := testOutbox(), boxKey("c", 1), time.Now()
		time.Sleep(time.Second)
		o.mark(key, reason{}, true)
		s, _ := o.next(context.Background(), 5)
		time.Sleep(time.Second)
		o.heard("c", time.Now())
		o.heard("c", began)
		o.unheard(s)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, ok := o.next(ctx, 5); !ok {
			t.Error("it waits for a peer that was heard since")
		}
	})
}

// What has no record any more waits for nobody, and is not the oldest.
func TestForgottenKeysLeaveTheOutbox(t *testing.T) {
	engine(t, func(t *testing.T, s *source, put func(string) resource.Key) {
		key := put(`{}`)
		next, _ := s.outbox.next(context.Background(), 5)
		s.outbox.unheard(next)
		update(t, s, func(tx *store.Tx) { tx.Remove(key) })
		if oldest := s.outbox.oldest(); !oldest.IsZero() || len(s.outbox.parcels) != 0 || len(s.outbox.lanes["c"].parked) != 0 {
			t.Errorf("%d parcels, %d parked, the oldest of %v", len(s.outbox.parcels), len(s.outbox.lanes["c"].parked), oldest)
		}
		s.outbox.after(key, reason{}, time.Now().Add(time.Hour))
		s.outbox.forget(key)
		if len(s.outbox.parcels) != 0 || len(s.outbox.waiting) != 0 {
			t.Errorf("%d parcels, %d of them wait for a time", len(s.outbox.parcels), len(s.outbox.waiting))
		}
	})
}

// What the broker refuses, or the store holds up, was not published: it says
// nothing about whether the other side confirms.
func TestFailuresAreNoTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, key, ctx := testOutbox(), boxKey("c", 1), t.Context()
		o.mark(key, reason{}, true)
		for refusals := range 8 {
			s, _ := o.next(ctx, 5)
			if s.tries != 0 || s.refusals != refusals {
				t.Fatalf("after %d refusals: %+v", refusals, s)
			}
			o.refused(s, time.Second)
		}
		s, _ := o.next(ctx, 5)
		o.unsent(s, time.Second)
		s, _ = o.next(ctx, 5)
		o.delivered(s)
		o.unnoted(s, time.Second)
		if s, _ = o.next(ctx, 5); s.tries != 0 || s.refusals != 0 {
			t.Fatalf("delivered, and the store does not know: %+v", s)
		}
		o.delivered(s)
		o.settled(s, time.Second)
		if s, _ = o.next(ctx, 5); s.tries != 1 || s.refusals != 0 {
			t.Fatalf("delivered and not confirmed: %+v", s)
		}
	})
}

// A store that is in trouble for a while holds nothing up for long.
func TestTheStoreIsTriedAgainSoon(t *testing.T) {
	engine(t, func(t *testing.T, s *source, put func(string) resource.Key) {
		put(`{}`)
		next, _ := s.outbox.next(t.Context(), 5)
		if err := s.store.Close(); err != nil { // stands for a disk that is in trouble
			t.Fatal(err)
		}
		sender := &sender{Proxy: s.Proxy}
		for range 10 {
			start := time.Now()
			sender.ship(t.Context(), next)
			if next, _ = s.outbox.next(t.Context(), 5); time.Since(start) != storeRetry || next.tries != 0 || next.refusals != 0 {
				t.Fatalf("again after %v: %+v", time.Since(start), next)
			}
		}
	})
}
