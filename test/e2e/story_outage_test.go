//go:build e2e

package e2e_test

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// soon is how soon after its broker's return a sidecar is connected, at the
// median (docs/architecture.md, Session).
const soon = 500 * time.Millisecond

// lead is by how much one side is back before the other.
const lead = 300 * time.Millisecond

// durations are measured by stories that run side by side.
type durations struct {
	mu  sync.Mutex
	all []time.Duration
}

func (d *durations) add(more []time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, more...)
}

// TestBrokerKilled: the broker dies with all that it has queued, and comes
// back after a while. Whoever of the two sidecars is back first, nothing is
// lost.
func TestBrokerKilled(t *testing.T) {
	var returns durations
	t.Run("for", func(t *testing.T) {
		for _, outage := range []struct {
			length time.Duration
			runs   int
		}{{3 * time.Second, 4}, {30 * time.Second, 1}} {
			for _, first := range []string{"source", "agent"} {
				for _, kind := range []brokerKind{embedded, mosquitto} {
					t.Run(fmt.Sprintf("%s/%s first/%s", outage.length, first, kind), func(t *testing.T) {
						t.Parallel()
						returns.add(brokerKilled(t, kind, outage.length, outage.runs, first))
					})
				}
			}
		}
	})
	if t.Failed() || len(returns.all) == 0 {
		return
	}
	t.Logf("connected %s after the return at the median of %d, between %s", median(returns.all).Round(time.Millisecond), len(returns.all), span(returns.all))
	if median(returns.all) > soon {
		t.Errorf("connected after %s at the median; want at most %s", median(returns.all), soon)
	}
}

func brokerKilled(t *testing.T, kind brokerKind, length time.Duration, runs int, first string) (returns []time.Duration) {
	w := newWorld(t, startBroker(t, kind))
	var heals []time.Duration
	for range runs {
		w.whilePutting(func() {
			time.Sleep(lead)
			w.loseBroker(length)
			returns = append(returns, w.comeBack(first)...)
		})
		heals = append(heals, w.settle())
	}
	t.Logf("%s, %s, %s first, %d resources: connected after %s, all observed %s after the last put",
		kind, length, first, len(w.hub.wants()), round(returns), round(heals))
	return returns
}

func (w *world) loseBroker(length time.Duration) {
	w.broker.kill()
	w.hubGate.hold()
	w.edgeGate.hold()
	time.Sleep(length)
}

// comeBack starts the broker and lets one side in, then the other, and returns
// how long each took from when it could.
func (w *world) comeBack(first string) []time.Duration {
	w.t.Helper()
	w.broker.start(w.t)
	order := []func() time.Duration{
		func() time.Duration { return w.admit(w.hubGate, w.source) },
		func() time.Duration { return w.admit(w.edgeGate, w.agent) },
	}
	if first == "agent" {
		order[0], order[1] = order[1], order[0]
	}
	returns := []time.Duration{order[0]()}
	time.Sleep(lead) // the second comes into a world in which the first is at work
	return append(returns, order[1]())
}

func (w *world) admit(g *gate, s *sidecar) time.Duration {
	opened := g.open(w.t)
	return s.connectedAfter(w.t, opened).Sub(opened)
}
