//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// pushWorld is a world whose agent calls an app, which is not there yet.
func pushWorld(t *testing.T, more settings) *world {
	t.Helper()
	w := prepareWorld(t, startBroker(t, embedded))
	w.agent.configure(t, w.agent.handlerOf("json", time.Minute))
	w.agent.configure(t, more)
	w.start()
	w.employHub()
	w.edge = newAgentApp(w.agent.api)
	return w
}

// TestPushAppComesLate: an app that is not there, or has gone for a while,
// costs its keys nothing, even where one failure would give them up.
func TestPushAppComesLate(t *testing.T) {
	t.Parallel()
	w := pushWorld(t, settings{"queue": settings{"retryMax": 1}})
	app := newPushApp(t, w.edge, w.agent.appSocket(), false)
	put := func() {
		for range 20 {
			w.hub.put(t.Context(), w.hub.newID())
		}
		eventually(t, patience, "the sidecar to miss the app", func() error {
			h := w.agent.status(t).Handlers
			return expect(len(h) == 1 && !h[0].Up && h[0].LastError != "", "handlers %+v", h)
		})
		time.Sleep(time.Second) // long enough for keys to be given up
		w.wantNoneDead()
	}
	put()
	app.calm.Store(true)
	app.start()
	began := time.Now()
	eventually(t, patience, "the first call", func() error { return expect(app.counts()[none] > 0, "not called") })
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the first call came %s after the app", took)
	}
	w.settle()
	app.stop()
	put()
	app.start()
	w.settle()
	w.wantNoneDead()
	if n := w.agent.metric(t, "sidecar_push_requests_total", `code="200"`); n != 40 {
		t.Errorf("%v calls were answered with 200, want 40", n)
	}
}

// TestPushGivesUp: what an app refuses retryMax times is dead until it is
// retried, dropped or changed.
func TestPushGivesUp(t *testing.T) {
	t.Parallel()
	w := pushWorld(t, settings{"queue": settings{"retryMax": 2}})
	serveApp(t, w.agent.appSocket(), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	dead := func(want int) []resource.DeadItem {
		t.Helper()
		var items []resource.DeadItem
		eventually(t, patience, "the dead keys", func() (err error) {
			if items, err = w.agent.api.Dead(t.Context(), "resources"); err != nil {
				return err
			}
			return expect(len(items) == want, "%d dead, want %d", len(items), want)
		})
		return items
	}
	w.hub.put(t.Context(), "a")
	w.hub.put(t.Context(), "b")
	for _, item := range dead(2) {
		if item.Attempts != 2 || item.Error != "the app answered 418 I'm a teapot" {
			t.Errorf("dead: %+v", item)
		}
	}
	if _, err := w.agent.api.DropDead(t.Context(), resource.RequeueRequest{Queue: "resources", All: true}); err != nil {
		t.Fatal(err)
	}
	dead(0)
	w.hub.put(t.Context(), "a")
	dead(1)
}

// slowApp answers after a while, with a status.
func slowApp(t *testing.T, socket string, delay time.Duration) (called chan string) {
	t.Helper()
	called = make(chan string, 10)
	serveApp(t, socket, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var item resource.LeaseItem
		_ = json.Unmarshal(body, &item)
		called <- item.Key.ID
		select {
		case <-time.After(delay):
			status, _ := json.Marshal(report{item.Object.Version, digest(item.Object.Spec)})
			_, _ = w.Write([]byte(`{"status":` + string(status) + `}`))
		case <-r.Context().Done():
		}
	})
	return called
}

func wantCall(t *testing.T, called <-chan string, id string) {
	t.Helper()
	select {
	case got := <-called:
		if got != id {
			t.Fatalf("the app was called with %s, want %s", got, id)
		}
	case <-time.After(patience):
		t.Fatalf("the app was not called with %s", id)
	}
}

func serveApp(t *testing.T, socket string, handler http.HandlerFunc) {
	t.Helper()
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	t.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
}

// TestPushEnds: what the app has in hand when the sidecar is asked to end is
// answered and published, if it ends within the grace time; otherwise the
// sidecar ends without it, and the next one calls again.
func TestPushEnds(t *testing.T) {
	for name, end := range map[string]func(*sidecar) error{
		"SIGTERM":  func(s *sidecar) error { return s.proc.cmd.Process.Signal(syscall.SIGTERM) },
		"shutdown": func(s *sidecar) error { return s.api.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := pushWorld(t, settings{"shutdownGrace": "1500ms"})
			called := slowApp(t, w.agent.appSocket(), 700*time.Millisecond)
			w.hub.put(t.Context(), "quick")
			wantCall(t, called, "quick")
			if err := end(w.agent); err != nil {
				t.Fatal(err)
			}
			w.agent.exitsWell(t)
			eventually(t, patience, "the status reaches the source", func() error {
				r, err := w.source.api.Get(t.Context(), deviceKey("quick"))
				if err != nil {
					return err
				}
				return expect(r.Sync.State == resource.Observed, "it is %s", r.Sync.State)
			})
			w.restart(w.agent)
			select {
			case id := <-called:
				t.Errorf("%s was handed out again", id)
			case <-time.After(500 * time.Millisecond):
			}
		})
	}
	t.Run("too late", func(t *testing.T) {
		t.Parallel()
		w := pushWorld(t, settings{"shutdownGrace": "500ms"})
		called := slowApp(t, w.agent.appSocket(), time.Minute)
		w.hub.put(t.Context(), "slow")
		wantCall(t, called, "slow")
		if took := w.agent.terminate(t); took > 3*time.Second {
			t.Errorf("it took %s to end with a grace time of 500ms", took)
		}
		w.restart(w.agent)
		wantCall(t, called, "slow")
	})
}
