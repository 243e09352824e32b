package push_test

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pillion-dev/pillion/pkg/push"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// Calls run side by side, as many as the handler may have.
func TestConcurrency(t *testing.T) {
	var now, most atomic.Int64
	full := make(chan struct{})
	release := sync.OnceFunc(func() { close(full) })
	a := startedApp(t, func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == 3 {
			release()
		}
		<-full
		now.Add(-1)
	})
	h := a.takes("one")
	h.Concurrency = 3
	w := newWorld(t, h)
	for i := range 30 {
		w.receive(devices, fmt.Sprintf("dev-%d", i))
	}
	w.waitAnswers(30)
	if n := most.Load(); n != 3 {
		t.Errorf("at most %d calls at a time, want 3", n)
	}
}

func TestHandlersDivideByDataType(t *testing.T) {
	var mu sync.Mutex
	called := map[string]int{}
	a := startedApp(t, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		called[r.URL.Path]++
	})
	one, two := a.takes("one"), a.takes("two")
	one.DataTypes, two.DataTypes = []resource.DataType{devices}, []resource.DataType{zones}
	w := newWorld(t, one, two)
	for i := range 10 {
		w.receive(devices, fmt.Sprintf("dev-%d", i))
	}
	for i := range 5 {
		w.receive(zones, fmt.Sprintf("zone-%d", i))
	}
	w.waitAnswers(15)
	mu.Lock()
	defer mu.Unlock()
	if want := map[string]int{"/one": 10, "/two": 5}; !reflect.DeepEqual(called, want) {
		t.Errorf("called %v, want %v", called, want)
	}
}

// slowApp holds every call until it is released.
type slowApp struct {
	*app
	called  chan string
	release chan struct{}
}

func newSlowApp(t *testing.T) *slowApp {
	s := &slowApp{called: make(chan string, 10), release: make(chan struct{})}
	s.app = startedApp(t, func(_ http.ResponseWriter, r *http.Request) {
		s.called <- r.URL.Path
		select {
		case <-s.release:
		case <-r.Context().Done():
		}
	})
	return s
}

func (s *slowApp) wantCall(path string) {
	s.t.Helper()
	select {
	case got := <-s.called:
		if got != path {
			s.t.Fatalf("called %s, want %s", got, path)
		}
	case <-time.After(patience):
		s.t.Fatalf("%s was not called", path)
	}
}

// A handler that is changed takes no more by its old settings, and its calls
// go on; one that is unchanged notices nothing.
func TestSetLeavesCallsAlone(t *testing.T) {
	a := newSlowApp(t)
	one, two := a.takes("one"), a.takes("two")
	one.DataTypes, two.DataTypes = []resource.DataType{devices}, []resource.DataType{zones}
	w := newWorld(t, one, two)
	w.receive(devices, "dev-1")
	a.wantCall("/one")
	w.receive(zones, "zone-1")
	a.wantCall("/two")

	changed := one
	changed.URL.URL = "http://localhost/changed"
	w.push.Set([]push.Handler{two, changed})
	eventually(t, "the new order", func() bool { s := w.push.Status(); return len(s) == 2 && s[1].URL == "unix://"+a.socket+":/changed" })
	if s := w.push.Status(); s[0].Name != "two" || s[0].InFlight != 1 || s[1].InFlight != 0 {
		t.Errorf("status %+v", s)
	}
	w.receive(devices, "dev-2")
	a.wantCall("/changed")
	if !w.push.Busy() {
		t.Error("not busy with three calls under way")
	}
	close(a.release)
	for _, result := range w.waitAnswers(3) {
		if result.Result != resource.ResultDone {
			t.Errorf("result %+v", result)
		}
	}
	eventually(t, "the end of all calls", func() bool { return !w.push.Busy() })

	w.push.Set(nil)
	eventually(t, "no handlers", func() bool { return len(w.push.Status()) == 0 })
	before := w.queue.leased()
	w.receive(devices, "dev-3")
	time.Sleep(50 * time.Millisecond)
	if w.queue.leased() != before || len(w.queue.answers()) != 3 {
		t.Error("a handler that was taken away took work")
	}
}

func TestEndWaitsForCalls(t *testing.T) {
	a := newSlowApp(t)
	w := newWorld(t, a.takes("one"))
	w.receive(devices, "dev-1")
	a.wantCall("/one")
	time.AfterFunc(50*time.Millisecond, func() { close(a.release) })
	w.end()
	if got := w.queue.answers(); len(got) != 1 || got[0].Result != resource.ResultDone {
		t.Errorf("results %+v", got)
	}
}

// Calls that outlast the grace time are cut, and their items are for others at
// once: no failure is counted.
func TestEndCutsCallsAfterTheGraceTime(t *testing.T) {
	a := newSlowApp(t)
	w := newWorldWith(t, push.Options{Grace: func() time.Duration { return 50 * time.Millisecond }}, a.takes("one"))
	w.receive(devices, "dev-1")
	a.wantCall("/one")
	w.end()
	if returned := w.queue.Returned(1, patience); len(returned) != 1 || len(w.queue.answers()) != 0 {
		t.Errorf("returned %v, results %+v", returned, w.queue.answers())
	}
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	codes := make(chan int, 1)
	a := newApp(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(<-codes) })
	w := newWorldWith(t, push.Options{Grace: func() time.Duration { return patience }, Metrics: registry}, a.takes("one"))
	want := func(samples ...string) {
		t.Helper()
		var got []string
		eventually(t, fmt.Sprint(samples), func() bool {
			got = gather(t, registry)
			return slices.Equal(got, samples)
		})
	}
	want("sidecar_push_up handler=one 0")
	a.start()
	want("sidecar_push_up handler=one 1")
	codes <- 204
	w.receive(devices, "dev-1")
	want("sidecar_push_duration_seconds handler=one 1", "sidecar_push_requests_total code=204 handler=one 1", "sidecar_push_up handler=one 1")
	w.push.Set(nil)
	want()
}

// gather is every sample, in the order of the names; of a histogram the count.
func gather(t *testing.T, from prometheus.Gatherer) (all []string) {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.Metric {
			line := family.GetName()
			for _, label := range m.Label {
				line += fmt.Sprintf(" %s=%s", label.GetName(), label.GetValue())
			}
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			all = append(all, fmt.Sprintf("%s %v", line, value))
		}
	}
	return all
}

func TestTargetIsShownWithoutItsQuery(t *testing.T) {
	for target, want := range map[push.Target]string{
		{URL: "https://app:8443/a/b?token=x"}:                  "https://app:8443/a/b",
		{Socket: "/run/a.sock", URL: "http://localhost/b?c=d"}: "unix:///run/a.sock:/b",
		{URL: "http://app"}:                                    "http://app",
	} {
		if got := target.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
