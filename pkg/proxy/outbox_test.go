package proxy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
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
			o.dropped(s.key)
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
					o.failed(key, s.why, time.Minute, true)
				case 2:
					o.unheard(key)
				case 3:
					o.back(s)
				default:
					o.delivered(key)
					o.settled(key, 0)
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
