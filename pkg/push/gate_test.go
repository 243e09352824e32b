package push_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/push"
)

// soon is how long work may wait after its app has come (docs/push.md).
const soon = time.Second

// An app that is not there costs nothing: nothing is taken, nothing fails, and
// work goes on as soon as it comes.
func TestAppThatComesLate(t *testing.T) {
	attempts := make(chan string, 10)
	a := newApp(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		attempts <- string(body)
	})
	w := newWorld(t, a.takes("one"))
	w.receive(devices, "dev-1")
	eventually(t, "a failed probe", func() bool { return w.status().LastError != "" })
	time.Sleep(300 * time.Millisecond)
	if n := w.queue.leased(); n != 0 {
		t.Errorf("took work %d times while the app was away", n)
	}
	if s := w.status(); s.Up || s.InFlight != 0 {
		t.Errorf("status %+v", s)
	}
	began := time.Now()
	a.start()
	w.waitAnswers(1)
	if took := time.Since(began); took > soon {
		t.Errorf("went on after %s", took)
	}
	if got := w.queue.answers(); len(got) != 1 || got[0].Result != "done" {
		t.Errorf("results %+v", got)
	}
	if s := w.status(); !s.Up || s.LastError != "" {
		t.Errorf("status %+v", s)
	}
}

// An app that goes away is no failure of the keys that it was to be called
// with, and does not make the handler spin.
func TestAppThatGoesAway(t *testing.T) {
	a := startedApp(t, func(http.ResponseWriter, *http.Request) {})
	w := newWorld(t, a.takes("one"))
	w.receive(devices, "dev-0")
	w.waitAnswers(1)
	a.stop()
	for i := range 20 {
		w.receive(devices, fmt.Sprintf("dev-%d", i))
	}
	eventually(t, "the handler to notice", func() bool { return w.status().LastError != "" && !w.status().Up })
	before := w.queue.leased()
	time.Sleep(500 * time.Millisecond)
	if n := w.queue.leased() - before; n > 8 {
		t.Errorf("took work %d times while the app was away", n)
	}
	began := time.Now()
	a.start()
	for _, result := range w.waitAnswers(21) {
		if result.Result != "done" {
			t.Errorf("result %+v", result)
		}
	}
	if took := time.Since(began); took > soon {
		t.Errorf("went on after %s", took)
	}
}

// What accepts connections and is not what the URL says is held off as well.
func TestAppThatIsNoTLSServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var connections atomic.Int64
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = conn.Close()
		}
	}()
	w := newWorld(t, push.Handler{Name: "tls", Queue: "resources", Concurrency: 2, Timeout: patience,
		URL: push.Target{URL: "https://" + listener.Addr().String() + "/"}})
	w.receive(devices, "dev-1")
	time.Sleep(1500 * time.Millisecond)
	if n := connections.Load(); n > 40 {
		t.Errorf("%d connections in 1.5 s", n)
	}
	if got := w.queue.answers(); len(got) != 0 {
		t.Errorf("results %+v", got)
	}
}

func TestHealthURLGatesDelivery(t *testing.T) {
	var healthy atomic.Bool
	var asked atomic.Int64
	a := startedApp(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/one":
		case r.Method == "GET" && r.Header.Get("Authorization") == "":
			asked.Add(1)
			if !healthy.Load() {
				w.WriteHeader(500)
			}
		}
	})
	h := a.takes("one")
	h.Headers = map[string]string{"Authorization": "x"}
	h.HealthURL = push.Target{Socket: a.socket, URL: "http://localhost/healthz"}
	w := newWorld(t, h)
	w.receive(devices, "dev-1")
	eventually(t, "some looks", func() bool { return asked.Load() >= 3 })
	if s := w.status(); s.Up || s.LastError != "healthURL answers 500 Internal Server Error" || w.queue.leased() != 0 {
		t.Errorf("status %+v, took work %d times", s, w.queue.leased())
	}
	began := time.Now()
	healthy.Store(true)
	w.waitAnswers(1)
	if took := time.Since(began); took > soon {
		t.Errorf("went on after %s", took)
	}
	looks := asked.Load()
	time.Sleep(200 * time.Millisecond)
	if n := asked.Load(); n != looks {
		t.Errorf("asked %d times while healthy", n-looks)
	}
}

// With a health URL, an app that answers 503 or nothing is asked for its health
// before it gets more.
func TestDoubtAsksForHealth(t *testing.T) {
	var calls, asked atomic.Int64
	a := startedApp(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			if asked.Add(1) > 1 && asked.Load() < 5 {
				w.WriteHeader(503)
			}
			return
		}
		if calls.Add(1) == 1 {
			w.WriteHeader(503)
		} else if n := asked.Load(); n < 5 {
			t.Errorf("called after %d looks", n)
		}
	})
	h := a.takes("one")
	h.HealthURL = push.Target{Socket: a.socket, URL: "http://localhost/healthz"}
	h.Concurrency = 1
	w := newWorld(t, h)
	w.receive(devices, "dev-1")
	if got := w.waitAnswers(2); got[1].Result != "done" {
		t.Errorf("results %+v", got)
	}
}

// A queue that has ended gives nothing, at once: that must not make the
// handler spin either.
func TestQueueThatHasEnded(t *testing.T) {
	a := startedApp(t, func(http.ResponseWriter, *http.Request) {})
	h := a.takes("one")
	h.Concurrency = 1
	w := newWorld(t)
	w.queue.StopLeasing()
	w.push.Set([]push.Handler{h})
	eventually(t, "a lease", func() bool { return w.queue.leased() > 0 })
	time.Sleep(300 * time.Millisecond)
	if n := w.queue.leased(); n > 2 {
		t.Errorf("asked the queue %d times", n)
	}
}
