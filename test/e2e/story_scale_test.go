//go:build e2e

package e2e_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

const (
	manyResources = 10_000
	manyWriters   = 16
	agentMemory   = 60 << 20               // after the load
	resyncCPU     = 100 * time.Millisecond // of the source, for a resync that changes nothing
	resyncTimes   = 15                     // at most: a machine that is shared adds to the time, and never takes from it
)

// TestTenThousand: one agent with 10,000 resources of 2 KiB stays small, and a
// resync that changes nothing costs next to nothing. It runs alone.
func TestTenThousand(t *testing.T) {
	for _, kind := range []brokerKind{embedded, mosquitto} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t, startBroker(t, kind))
			idle := w.agent.proc.memory(t)
			began := time.Now()
			w.putMany(manyResources)
			put := time.Since(began)
			took := w.settle()
			loaded := w.agent.proc.memory(t)
			t.Logf("%s: %d put in %s, all observed %s later", kind, manyResources, put.Round(time.Millisecond), took.Round(time.Millisecond))
			t.Logf("%s: agent idle %s, loaded %s; source loaded %s", kind, idle, loaded, w.source.proc.memory(t))
			eventually(t, 20*time.Second, "the agent is small", func() error { // its garbage goes back to the system by and by
				now := w.agent.proc.memory(t)
				return expect(now.rss < agentMemory, "%s: it has %s, want less than %d MB", kind, now, agentMemory>>20)
			})
			w.resyncIsCheap()
		})
	}
}

func (w *world) putMany(n int) {
	var group sync.WaitGroup
	for range manyWriters {
		group.Go(func() {
			for range n / manyWriters {
				w.hub.put(context.Background(), w.hub.newID())
			}
		})
	}
	group.Wait()
}

// resyncIsCheap asks the source about everything several times.
func (w *world) resyncIsCheap() {
	w.t.Helper()
	eventually(w.t, patience, "the source's app has taken every status", func() error {
		queue, err := w.source.api.Queue(context.Background(), "resources")
		if err != nil {
			return err
		}
		return expect(queue.Depth+queue.InFlight == 0, "the queue has %+v", queue)
	})
	sent := w.source.metric(w.t, "cloudevents_sent_total", `subresource="spec"`)
	var used []time.Duration
	for len(used) < 3 || slices.Min(used) >= resyncCPU && len(used) < resyncTimes {
		w.quiet()
		answered, before := w.answered(), w.source.proc.cpu(w.t)
		if err := w.agent.api.Resync(context.Background(), resource.ResyncRequest{}); err != nil {
			w.t.Fatal(err)
		}
		eventually(w.t, patience, "the source has answered", func() error {
			w.quiet() // between two looks, of which each costs it some milliseconds
			return expect(w.answered() > answered, "it has answered %v requests", answered)
		})
		used = append(used, w.source.proc.cpu(w.t)-before)
	}
	w.t.Logf("resync of %d unchanged: CPU of the source %s", manyResources, used)
	if least := slices.Min(used); least >= resyncCPU {
		w.t.Errorf("resync of %d unchanged took %s of the source's CPU, want less than %s", manyResources, least, resyncCPU)
	}
	if more := w.source.metric(w.t, "cloudevents_sent_total", `subresource="spec"`) - sent; more > float64(len(used)) {
		w.t.Errorf("the source sent %v events in answer to a resync that changes nothing", more)
	}
}

// answered counts the spec resync requests that the source has answered.
func (w *world) answered() float64 {
	return w.source.metric(w.t, "resources_spec_resync_duration_seconds_count", "")
}

// quiet waits until the source has used no CPU for a while.
func (w *world) quiet() {
	w.t.Helper()
	const still = 300 * time.Millisecond
	used, since := w.source.proc.cpu(w.t), time.Now()
	eventually(w.t, 30*time.Second, "the source is quiet", func() error {
		if now := w.source.proc.cpu(w.t); now != used {
			used, since = now, time.Now()
		}
		return expect(time.Since(since) > still, "it is at work")
	})
}
