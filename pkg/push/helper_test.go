package push_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/push"
	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	devices  = "com.example.fleet.v1alpha1.devices"
	zones    = "com.example.fleet.v1alpha1.zones"
	patience = 10 * time.Second
)

// queues is an in-memory backend whose calls are remembered.
type queues struct {
	*apitest.Backend

	mu      sync.Mutex
	leases  int
	results []resource.WorkResult
	refuse  func(resource.WorkResult) error
}

func (q *queues) Lease(ctx context.Context, req resource.LeaseRequest) ([]resource.LeaseItem, error) {
	q.mu.Lock()
	q.leases++
	q.mu.Unlock()
	return q.Backend.Lease(ctx, req)
}

func (q *queues) Answer(ctx context.Context, lease string, result resource.WorkResult) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.results = append(q.results, result)
	if q.refuse != nil {
		if err := q.refuse(result); err != nil {
			return err
		}
	}
	return q.Backend.Answer(ctx, lease, result)
}

func (q *queues) leased() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.leases
}

func (q *queues) answers() []resource.WorkResult {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]resource.WorkResult(nil), q.results...)
}

// world is an agent's queue and the push handlers on it.
type world struct {
	t     *testing.T
	queue *queues
	push  *push.Push
	log   *logBuffer
	end   func() // ends Run and waits for it
}

// newWorld runs push handlers until the test ends.
func newWorld(t *testing.T, handlers ...push.Handler) *world {
	t.Helper()
	return newWorldWith(t, push.Options{Grace: func() time.Duration { return patience }}, handlers...)
}

func newWorldWith(t *testing.T, o push.Options, handlers ...push.Handler) *world {
	t.Helper()
	w := &world{t: t, queue: &queues{Backend: apitest.New(resource.Agent)}, log: &logBuffer{}}
	o.Queues, o.Codec, o.Source = w.queue, localapi.New(localapi.Options{Backend: w.queue}), "/agents/agent1"
	o.Log = slog.New(slog.NewTextHandler(w.log, nil))
	p, err := push.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.push = p
	p.Set(handlers)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	w.end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(w.end)
	return w
}

// receive brings a resource to the queue.
func (w *world) receive(dataType resource.DataType, id string) {
	w.queue.Receive(resource.Resource{
		Key:     resource.Key{DataType: dataType, Source: "hub1", Cluster: "cluster1", ID: id},
		Version: 3, Spec: json.RawMessage(`{"a":1}`),
	})
}

// waitAnswers waits for n results and returns them.
func (w *world) waitAnswers(n int) []resource.WorkResult {
	w.t.Helper()
	eventually(w.t, "the results", func() bool { return len(w.queue.answers()) >= n })
	return w.queue.answers()
}

// status is that of the one handler; zero while it is not yet started.
func (w *world) status() (s resource.HandlerStatus) {
	w.t.Helper()
	if all := w.push.Status(); len(all) == 1 {
		return all[0]
	}
	return s
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// app is an app on a Unix socket, that can go and come back.
type app struct {
	t       *testing.T
	socket  string
	handler http.HandlerFunc
	server  *http.Server
}

func newApp(t *testing.T, handler http.HandlerFunc) *app {
	t.Helper()
	dir, err := os.MkdirTemp("", "push")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	a := &app{t: t, socket: filepath.Join(dir, "app.sock"), handler: handler}
	t.Cleanup(a.stop)
	return a
}

// startedApp is an app that is up.
func startedApp(t *testing.T, handler http.HandlerFunc) *app {
	t.Helper()
	a := newApp(t, handler)
	a.start()
	return a
}

func (a *app) start() {
	a.t.Helper()
	listener, err := net.Listen("unix", a.socket)
	if err != nil {
		a.t.Fatal(err)
	}
	a.server = &http.Server{Handler: http.HandlerFunc(a.serve)}
	go func(s *http.Server) { _ = s.Serve(listener) }(a.server)
}

// serve reads the body first: only then net/http notices when the caller goes.
func (a *app) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	a.handler(w, r)
}

// stop closes the socket and every connection, as the end of a process does.
func (a *app) stop() {
	if a.server != nil {
		_ = a.server.Close()
		a.server = nil
	}
}

// takes is a handler that posts to the app.
func (a *app) takes(name string) push.Handler {
	return push.Handler{
		Name: name, Queue: apitest.Queue, Concurrency: 4, Timeout: patience,
		URL: push.Target{Socket: a.socket, URL: "http://localhost/" + name},
	}
}

// logBuffer is a log that a test can read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
