package proxy_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/transport"
)

// connect lets two proxies hear each other over a broker that is so far away.
func connect(a, b *sidecar, away time.Duration) {
	between := func(from, to *sidecar) {
		from.answer(func(e *event.Event) (transport.Receipt, error) {
			heard := *e
			time.AfterFunc(2*away, func() { to.hand(&heard) })
			time.Sleep(2 * away) // until the broker's answer is back
			return transport.Receipt{}, nil
		})
	}
	between(a, b)
	between(b, a)
}

// Two sides that know nothing of each other ask a few times, whether the
// broker's answer or the other side's question comes first, and then leave it.
func TestSidesThatHoldNothingSoonStopAsking(t *testing.T) {
	for _, away := range []time.Duration{0, time.Millisecond, 100 * time.Millisecond} {
		t.Run(fmt.Sprint(away), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source, agent := start(t, resource.Source), start(t, resource.Agent)
				connect(source, agent, away)
				source.cut(true)
				agent.cut(true)
				time.Sleep(time.Minute)
				asked := len(source.requests()) + len(agent.requests())
				if asked < 2 || asked > 12 {
					t.Errorf("%d requests in the first minute", asked)
				}
				time.Sleep(24 * time.Hour)
				if n := len(source.requests()) + len(agent.requests()); n > 40 {
					t.Errorf("%d requests in the day that follows", n)
				}
				connect(source, agent, 0) // so that the end need not wait
			})
		})
	}
}

// A source that comes back with a broadcast, of which the agent holds nothing,
// may have missed the agent's question.
func TestSourceThatComesBackIsAskedAgain(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		broadcast := func() {
			s.deliver(&event.Event{Source: hub, Payload: resource.Payload{Data: []byte(`{"statusHashes":[]}`), ContentType: "application/json"},
				Type: event.Type{DataType: devices, Sub: event.SubStatus, Action: event.ResyncRequest}})
		}
		for range 2 {
			time.Sleep(time.Hour)
			s.requests()
			broadcast()
			if e := one(t, s.requests()); e.OriginalSource != hub {
				t.Fatalf("asked %+v", e)
			}
		}
	})
}
