//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// appWorkers share the queue of each app.
const appWorkers = 4

// world is a broker, a sidecar on either side behind a gate, and the apps.
type world struct {
	t             *testing.T
	broker        *broker
	hubGate       *gate
	edgeGate      *gate
	source, agent *sidecar
	hub           *sourceApp
	edge          *agentApp
}

// newWorld starts everything; the source's app puts while whilePutting lasts.
func newWorld(t *testing.T, b *broker, more ...settings) *world {
	t.Helper()
	w := prepareWorld(t, b, more...)
	w.start()
	w.employHub()
	w.employEdge()
	return w
}

// prepareWorld starts nothing but the broker's gates.
func prepareWorld(t *testing.T, b *broker, more ...settings) *world {
	t.Helper()
	w := &world{t: t, broker: b, hubGate: newGate(t, b.addr), edgeGate: newGate(t, b.addr)}
	w.source = newSidecar(t, resource.Source, w.hubGate.addr, nil)
	w.agent = newSidecar(t, resource.Agent, w.edgeGate.addr, nil)
	for _, s := range more {
		w.source.configure(t, s)
		w.agent.configure(t, s)
	}
	return w
}

func (w *world) start() {
	w.t.Helper()
	w.source.startReady(w.t)
	w.agent.startReady(w.t)
}

// employHub lets the source's app work until the test ends.
func (w *world) employHub() {
	w.hub = newSourceApp(w.source.api)
	for range appWorkers {
		w.background(w.hub.work)
	}
}

// employEdge lets the agent's app work until the test ends.
func (w *world) employEdge() {
	w.edge = newAgentApp(w.agent.api)
	for range appWorkers {
		w.background(w.edge.work)
	}
	w.background(w.edge.watch)
}

// background runs f until the returned function is called, or the test ends.
func (w *world) background(f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f(ctx)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	w.t.Cleanup(stop)
	return stop
}

// whilePutting has the source's app put during the story's middle.
func (w *world) whilePutting(story func()) {
	w.t.Helper()
	stop := w.background(w.hub.putForever)
	story()
	stop()
}

// restart brings a sidecar back after it has ended.
func (w *world) restart(s *sidecar) {
	w.t.Helper()
	w.ledgerOf(s).restarted()
	s.start(w.t)
}

func (w *world) ledgerOf(s *sidecar) *ledger {
	if s.role == resource.Source {
		return w.hub.ledger
	}
	return w.edge.ledger
}

// settle waits until all that was declared is made and observed, checks both
// sidecars and both apps against it, and returns how long that took.
func (w *world) settle() time.Duration {
	w.t.Helper()
	return w.settleBeside(0)
}

// settleBeside is settle with so many resources that the app did not declare.
func (w *world) settleBeside(others int) time.Duration {
	w.t.Helper()
	want := w.hub.wants()
	took := eventually(w.t, patience, fmt.Sprintf("all %d resources are made and observed", len(want)), func() error {
		if err := w.counts(len(want) + others); err != nil {
			return err
		}
		return w.equal(want)
	})
	w.noFaults()
	return took
}

// counts is a cheap look whether the rest is worth one.
func (w *world) counts(want int) error {
	source, err1 := w.source.api.Status(context.Background())
	agent, err2 := w.agent.api.Status(context.Background())
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	return expect(source.Resources.Total == want && source.Resources.Observed == want && agent.Resources.Total == want,
		"source has %+v, agent has %+v", source.Resources, agent.Resources)
}

func (w *world) equal(want map[string]declaration) error {
	source, err := list(w.source)
	if err != nil {
		return err
	}
	agent, err := list(w.agent)
	if err != nil {
		return err
	}
	made := w.edge.has()
	var wrong []string
	for id, d := range want {
		if err := errors.Join(atSource(source[id], d), atAgent(agent[id], source[id]), inApp(made[id], source[id], d)); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %v", id, err))
		}
	}
	return expect(len(wrong) == 0, "%d of %d: %s", len(wrong), len(want), strings.Join(wrong[:min(len(wrong), 5)], "; "))
}

func list(s *sidecar) (map[string]*resource.Resource, error) {
	all := map[string]*resource.Resource{}
	for r, err := range s.api.All(context.Background(), resource.ListRequest{}) {
		if err != nil {
			return nil, fmt.Errorf("list the %s: %w", s.role, err)
		}
		all[r.ID] = r
	}
	return all, nil
}

// atSource: the source has what was declared, and a status for it.
func atSource(r *resource.Resource, d declaration) error {
	if r == nil {
		return errors.New("the source does not have it")
	}
	var said report
	if err := json.Unmarshal(r.Status, &said); err != nil {
		return fmt.Errorf("status at the source: %w", err)
	}
	return errors.Join(
		expect(digest(r.Spec) == d.digest, "the source has another spec"),
		expect(r.Version >= d.acked, "the source has version %d and answered %d", r.Version, d.acked),
		expect(r.Sync.State == resource.Observed, "it is %s: %s", r.Sync.State, r.Sync.Error),
		expect(said == report{r.Version, d.digest}, "the status is about version %d, not %d", said.Version, r.Version))
}

// atAgent: the agent has what the source has.
func atAgent(r, source *resource.Resource) error {
	if r == nil || source == nil {
		return errors.New("the agent or the source does not have it")
	}
	return errors.Join(
		expect(r.Version == source.Version, "the agent has version %d, the source %d", r.Version, source.Version),
		expect(digest(r.Spec) == digest(source.Spec), "the agent has another spec"))
}

// inApp: the agent's app has made it so.
func inApp(made report, source *resource.Resource, d declaration) error {
	if source == nil {
		return nil // said already
	}
	return expect(made == report{source.Version, d.digest}, "the app has made version %d, the source has %d", made.Version, source.Version)
}

// noFaults fails the test with what the apps have to complain about.
func (w *world) noFaults() {
	w.t.Helper()
	for _, fault := range append(w.hub.all(), w.edge.all()...) {
		w.t.Error(fault)
	}
}
