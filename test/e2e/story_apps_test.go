//go:build e2e

package e2e_test

import (
	"math/rand/v2"
	"testing"
	"time"
)

// edgeProcess is an agent's app that can be killed and started again.
type edgeProcess interface {
	start()
	stop()
	counts() map[trouble]int
}

// appKinds are the ways in which an app gets its work, each with what the
// agent's sidecar must be told for it.
var appKinds = map[string]struct {
	settings func(*sidecar) settings
	app      func(*world) edgeProcess
}{
	"push json": {
		func(s *sidecar) settings { return s.handlerOf("json", pushTimeout) },
		func(w *world) edgeProcess { return newPushApp(w.t, w.edge, w.agent.appSocket(), false) },
	},
	"push cloudevents": {
		func(s *sidecar) settings { return s.handlerOf("cloudevents", pushTimeout) },
		func(w *world) edgeProcess { return newPushApp(w.t, w.edge, w.agent.appSocket(), true) },
	},
	"pull": {
		func(*sidecar) settings { return nil },
		func(w *world) edgeProcess { return newPullApp(w) },
	},
	"watch": {
		func(*sidecar) settings { return nil },
		func(w *world) edgeProcess { return newWatchApp(w) },
	},
}

// pushTimeout is short, because apps in trouble hang.
const pushTimeout = 300 * time.Millisecond

// atFirst is how many resources there are before anything goes wrong.
const atFirst = 100

// TestAppsInTrouble: whichever way an app gets its work, and whatever goes wrong
// with it and with its sidecar, each resource is handled to its last version,
// and none twice at a time.
func TestAppsInTrouble(t *testing.T) {
	for name, kind := range appKinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := prepareWorld(t, startBroker(t, embedded), settings{"queue": settings{"retry": settings{"max": "200ms"}}})
			w.agent.configure(t, kind.settings(w.agent))
			w.start()
			w.employHub()
			w.edge = newAgentApp(w.agent.api)
			w.background(w.edge.watch)
			app := kind.app(w)
			for range atFirst {
				w.hub.put(t.Context(), w.hub.newID())
			}
			app.start()
			w.whilePutting(func() { w.disturb(app) })
			took := w.settle()
			w.wantNoneDead()
			for _, what := range []trouble{fails, hangs, closes, garbles} {
				if app.counts()[what] == 0 {
					t.Errorf("the app never %s", what)
				}
			}
			t.Logf("%s: %d resources, %v; all observed %s after the last put", name, len(w.hub.wants()), app.counts(), took.Round(time.Millisecond))
		})
	}
}

// disturb kills the app and its sidecar in turn.
func (w *world) disturb(app edgeProcess) {
	w.t.Helper()
	for range 3 {
		time.Sleep(rand.N(400 * time.Millisecond))
		app.stop()
		time.Sleep(rand.N(400 * time.Millisecond))
		app.start()
		time.Sleep(rand.N(400 * time.Millisecond))
		w.agent.kill()
		w.restart(w.agent)
	}
}

func (w *world) wantNoneDead() {
	w.t.Helper()
	stats, err := w.agent.api.Queue(w.t.Context(), "resources")
	if err != nil || stats.Dead != 0 {
		w.t.Errorf("the queue is %+v: %v", stats, err)
	}
}
