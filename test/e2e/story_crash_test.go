//go:build e2e

package e2e_test

import (
	"math/rand/v2"
	"testing"
	"time"
)

// crashes is how often a story kills.
const crashes = 10

// TestSidecarKilled: kill -9 of a sidecar at any moment takes nothing back that
// it has answered, and what it did not get to do is done after its restart.
func TestSidecarKilled(t *testing.T) {
	for name, victims := range map[string]func(*world) []*sidecar{
		"source": func(w *world) []*sidecar { return []*sidecar{w.source} },
		"agent":  func(w *world) []*sidecar { return []*sidecar{w.agent} },
		"both":   func(w *world) []*sidecar { return []*sidecar{w.source, w.agent} },
	} {
		t.Run(name, func(t *testing.T) {
			overBrokers(t, func(t *testing.T, kind brokerKind) {
				w := newWorld(t, startBroker(t, kind))
				w.whilePutting(func() { w.crash(victims(w)) })
				took := w.settle()
				t.Logf("%s: %d crashes of %s, %d resources: all observed %s after the last put",
					kind, crashes, name, len(w.hub.wants()), took.Round(time.Millisecond))
			})
		})
	}
}

// crash kills and restarts at random moments, at times before the sidecar has
// come up.
func (w *world) crash(victims []*sidecar) {
	w.t.Helper()
	for range crashes {
		time.Sleep(rand.N(600 * time.Millisecond))
		for _, s := range victims {
			s.kill()
		}
		for _, s := range victims {
			w.restart(s)
		}
	}
}
