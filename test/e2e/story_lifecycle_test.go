//go:build e2e

package e2e_test

import (
	"context"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// grace is shutdownGrace's default, with something for a busy machine.
const grace = 25 * time.Second

// TestOrderlyEnd: SIGTERM and POST /v1/shutdown publish what is pending, and
// exit with 0.
func TestOrderlyEnd(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *sidecar) time.Duration{
		"SIGTERM": func(t *testing.T, s *sidecar) time.Duration { return s.terminate(t) },
		"POST": func(t *testing.T, s *sidecar) time.Duration {
			began := time.Now()
			if err := s.api.Shutdown(context.Background()); err != nil {
				t.Fatal(err)
			}
			s.exitsWell(t)
			return time.Since(began)
		},
	} {
		t.Run(name, func(t *testing.T) {
			overBrokers(t, func(t *testing.T, kind brokerKind) {
				w := newWorld(t, startBroker(t, kind))
				w.putMany(800)
				took := end(t, w.source)
				if took > grace {
					t.Errorf("it took %s to end", took)
				}
				eventually(t, 10*time.Second, "the agent has all that was put", func() error {
					total := w.agent.status(t).Resources.Total
					return expect(total == 800, "it has %d of 800", total)
				})
				t.Logf("%s: ended in %s with everything published", kind, took.Round(time.Millisecond))
			})
		})
	}
}

// TestEndDuringCalls: long polls and watches do not hold up the end.
func TestEndDuringCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t, startBroker(t, embedded))
	synced := make(chan struct{}, 1)
	w.background(func(ctx context.Context) {
		for e := range w.source.api.Follow(ctx, resource.WatchRequest{}) {
			if e.Type == resource.WatchSynced {
				synced <- struct{}{}
			}
		}
	})
	polled := make(chan error, 1)
	go func() {
		_, err := w.source.api.Lease(context.Background(), resource.LeaseRequest{Queue: "resources", Max: 1, Wait: time.Minute, LeaseFor: time.Minute})
		polled <- err
	}()
	select {
	case <-synced:
	case err := <-polled:
		t.Fatalf("the long poll has ended already: %v", err)
	case <-time.After(patience):
		t.Fatal("the watch did not come to SYNCED")
	}
	if took := w.source.terminate(t); took > 5*time.Second {
		t.Errorf("it took %s to end", took)
	}
}

// TestHotReload: what can change does so while the apps are at work, and a file
// with a fault changes nothing.
func TestHotReload(t *testing.T) {
	overBrokers(t, func(t *testing.T, kind brokerKind) {
		w := newWorld(t, startBroker(t, kind))
		since := w.source.status(t).Connection.Since
		w.whilePutting(func() {
			w.addDataType()
			w.keepsTheLastGood()
			w.changeLogLevel()
		})
		took := w.settleBeside(1)
		if now := w.source.status(t).Connection.Since; !now.Equal(since) {
			t.Errorf("a reload of data types and log level reconnected: up since %s, before since %s", now, since)
		}
		t.Logf("%s: all observed %s after the last put", kind, took.Round(time.Millisecond))
	})
}

const tractors = "com.example.fleet.v1alpha1.tractors"

func (w *world) addDataType() {
	w.t.Helper()
	put := resource.PutRequest{Key: resource.Key{DataType: tractors, Cluster: clusterName, ID: "t1"}, Spec: resource.Payload{Data: []byte(`{}`)}}
	if _, _, err := w.source.api.Put(context.Background(), put); err == nil {
		w.t.Error("a data type that is not configured was taken")
	}
	for _, s := range []*sidecar{w.agent, w.source} {
		s.configure(w.t, settings{"dataTypes": []string{devices, tractors}})
	}
	took := eventually(w.t, 5*time.Second, "the new data type is taken", func() error {
		_, _, err := w.source.api.Put(context.Background(), put)
		return err
	})
	w.t.Logf("a new data type was in effect %s after the change", took.Round(time.Millisecond))
	eventually(w.t, patience, "a resource of the new type is observed", func() error {
		r, err := w.source.api.Get(context.Background(), put.Key)
		if err != nil {
			return err
		}
		return expect(r.Sync.State == resource.Observed, "it is %s", r.Sync.State)
	})
}

func (w *world) keepsTheLastGood() {
	w.t.Helper()
	const successful = "sidecar_config_last_reload_successful"
	w.source.writeConfig(w.t, "role: source\nid: hub1\nbroken: [\n")
	eventually(w.t, 5*time.Second, "the status says that the file is not valid", func() error {
		c := w.source.status(w.t).Config
		return expect(c.Error != "" && w.source.metric(w.t, successful, "") == 0, "it says %q", c.Error)
	})
	w.source.configure(w.t, settings{"state": settings{"dir": w.source.dir + "/elsewhere"}})
	eventually(w.t, 5*time.Second, "the status says that state.dir cannot change", func() error {
		c := w.source.status(w.t).Config
		return expect(holdsAll(c.Error, []string{"state.dir"}), "it says %q", c.Error)
	})
	w.source.configure(w.t, settings{"state": settings{"dir": w.source.stateDir()}})
	eventually(w.t, 5*time.Second, "the status is well again", func() error {
		c := w.source.status(w.t).Config
		return expect(c.Error == "" && w.source.metric(w.t, successful, "") == 1, "it says %q", c.Error)
	})
}

// changeLogLevel switches information off: connecting is not logged any more.
func (w *world) changeLogLevel() {
	w.t.Helper()
	loaded := w.agent.status(w.t).Config.LoadedAt
	w.agent.configure(w.t, settings{"log": settings{"level": "error"}})
	eventually(w.t, 5*time.Second, "the log level is in effect", func() error {
		return expect(w.agent.status(w.t).Config.LoadedAt.After(loaded), "it is not loaded")
	})
	before, since := len(w.agent.proc.output(w.t)), w.agent.status(w.t).Connection.Since
	w.edgeGate.hold()
	w.edgeGate.open(w.t)
	w.agent.connectedAfter(w.t, since)
	if more := w.agent.proc.output(w.t)[before:]; more != "" {
		w.t.Errorf("at level error the agent logs: %s", more)
	}
}
