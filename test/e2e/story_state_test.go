//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// TestSourcePutBack: the source's store comes back from an earlier copy. Its
// versions go up over what the agent holds, and nowhere down.
func TestSourcePutBack(t *testing.T) {
	overBrokers(t, func(t *testing.T, kind brokerKind) {
		w := newWorld(t, startBroker(t, kind))
		w.whilePutting(func() { time.Sleep(time.Second) })
		w.settle()
		before, copied := w.hub.wants(), t.TempDir()
		w.source.terminate(t)
		copyDir(t, w.source.stateDir(), copied)
		w.restart(w.source)
		w.whilePutting(func() { time.Sleep(2 * time.Second) })
		w.settle()

		w.source.terminate(t)
		copyDir(t, copied, w.source.stateDir())
		w.hub.forgetVersions()
		w.restart(w.source)
		took := w.healedUpwards(before)
		t.Logf("%s: %d of %d resources put back to an earlier version; all above the agent's after %s",
			kind, len(before), len(w.hub.wants()), took.Round(time.Millisecond))

		w.declareAgain() // the app knows better than the copy
		w.whilePutting(func() { time.Sleep(time.Second) })
		t.Logf("%s: all observed %s after the app had declared everything again", kind, w.settle().Round(time.Millisecond))
	})
}

// healedUpwards waits until the agent has the specs of the copy, and its app
// has made them.
func (w *world) healedUpwards(before map[string]declaration) time.Duration {
	w.t.Helper()
	return eventually(w.t, patience, "the agent has what the source has", func() error {
		source, err := list(w.source)
		if err != nil {
			return err
		}
		agent, err := list(w.agent)
		if err != nil {
			return err
		}
		made := w.edge.has()
		for id, d := range before {
			d.acked = 0
			if err := firstOf(atAgent(agent[id], source[id]), atSource(source[id], d), inApp(made[id], source[id], d)); err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
		}
		return nil
	})
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// declareAgain is what an app does that keeps its own records.
func (w *world) declareAgain() {
	for id := range w.hub.wants() {
		w.hub.put(context.Background(), id)
	}
}

// TestAgentLosesState: the agent's state.dir is gone. Everything comes again,
// and what was being deleted is handed to the app to clean up.
func TestAgentLosesState(t *testing.T) {
	overBrokers(t, func(t *testing.T, kind brokerKind) {
		w := newWorld(t, startBroker(t, kind))
		w.whilePutting(func() { time.Sleep(time.Second) })
		w.settle()
		w.edge.idle.Store(true)
		time.Sleep(1500 * time.Millisecond) // leases under way are answered
		deleted := w.deleteSome(10)

		w.agent.kill()
		if err := os.RemoveAll(w.agent.stateDir()); err != nil {
			t.Fatal(err)
		}
		w.restart(w.agent)
		w.edge.idle.Store(false)
		w.whilePutting(func() { time.Sleep(time.Second) })
		took := w.settle()
		for _, id := range deleted {
			if _, ok := w.edge.has()[id]; ok {
				t.Errorf("the agent's app was not told that %s is deleted", id)
			}
		}
		t.Logf("%s: %d resources came again and %d deletes finished in %s", kind, len(w.hub.wants()), len(deleted), took.Round(time.Millisecond))
	})
}

// deleteSome deletes the first resources and no longer wants them.
func (w *world) deleteSome(n int) (deleted []string) {
	w.t.Helper()
	for i := range n {
		id := fmt.Sprintf("dev-%d", i)
		if _, _, err := w.source.api.Delete(context.Background(), resource.DeleteRequest{Key: deviceKey(id)}); err != nil {
			w.t.Fatal(err)
		}
		w.hub.drop(id)
		deleted = append(deleted, id)
	}
	return deleted
}

// copyDir makes to a copy of from.
func copyDir(t testing.TB, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
