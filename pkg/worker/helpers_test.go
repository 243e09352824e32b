package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/worker"
)

const (
	devices  = "com.example.fleet.v1alpha1.devices"
	patience = 10 * time.Second // for what must happen
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a sidecar, and a worker with a script as its command.
type world struct {
	t        *testing.T
	backend  *apitest.Backend
	recorder *recorder
	dir      string // $DIR of the scripts
	out, err *buffer
	options  worker.Options
}

func newWorld(t *testing.T, role resource.Role) *world {
	t.Helper()
	backend := apitest.New(role)
	return newWorldAt(t, backend, apitest.Serve(t, localapi.Options{Backend: backend}))
}

func newWorldAt(t *testing.T, backend *apitest.Backend, socket string) *world {
	t.Helper()
	c := client.New(socket)
	t.Cleanup(c.Close)
	w := &world{t: t, backend: backend, recorder: &recorder{Queue: c}, dir: t.TempDir(), out: &buffer{}, err: &buffer{}}
	w.options = worker.Options{
		Queue:   w.recorder,
		Request: resource.LeaseRequest{Queue: apitest.Queue, Max: 4, LeaseFor: time.Minute},
		Env:     []string{"DIR=" + w.dir}, Concurrency: 4, Grace: patience,
		Agent: backend.Role() == resource.Agent, UntilEmpty: true,
		Stdout: w.out, Stderr: w.err, Log: slog.New(slog.DiscardHandler),
	}
	return w
}

// device is a resource of which there is work.
func device(id string) resource.Resource {
	return resource.Resource{
		Key:     resource.Key{DataType: devices, Source: apitest.Name, Cluster: "cluster1", ID: id},
		Version: 3, Spec: json.RawMessage(`{"text":"<&>"}`),
	}
}

func (w *world) add(ids ...string) {
	for _, id := range ids {
		w.backend.Receive(device(id))
	}
}

// run runs the script for what there is.
func (w *world) run(script string) worker.Summary {
	w.t.Helper()
	summary, err := w.start(w.t.Context(), script)()
	if err != nil {
		w.t.Fatal(err)
	}
	return summary
}

// start runs a worker until ctx ends; the function waits for its end.
func (w *world) start(ctx context.Context, script string) (wait func() (worker.Summary, error)) {
	w.options.Command = []string{"sh", "-c", script}
	type ending struct {
		summary worker.Summary
		err     error
	}
	ended := make(chan ending, 1)
	go func() {
		summary, err := worker.Run(ctx, w.options)
		ended <- ending{summary, err}
	}()
	return func() (worker.Summary, error) {
		w.t.Helper()
		select {
		case end := <-ended:
			return end.summary, end.err
		case <-time.After(3 * patience):
			w.t.Fatalf("the worker does not end: %s", w.err)
			return worker.Summary{}, nil
		}
	}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) file(name string) string {
	text, err := os.ReadFile(w.path(name))
	if err != nil {
		return ""
	}
	return string(text)
}

func (w *world) touch(name string) {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), nil, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// until checks again and again until it holds.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("not within %s: %s; the worker said: %s", patience, what, w.err)
		}
	}
}

func (w *world) untilFile(name, holds string) {
	w.t.Helper()
	w.until(name+" holds "+holds, func() bool { return strings.Contains(w.file(name), holds) })
}

// recorder is a queue that remembers what was answered.
type recorder struct {
	worker.Queue
	mu      sync.Mutex
	given   []resource.WorkResult
	extends int
	refuse  func(resource.WorkResult) error // may be nil
}

func (r *recorder) Answer(ctx context.Context, lease string, result resource.WorkResult) error {
	r.mu.Lock()
	refuse := r.refuse
	r.mu.Unlock()
	if refuse != nil {
		if err := refuse(result); err != nil {
			return err
		}
	}
	err := r.Queue.Answer(ctx, lease, result)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if result.Result == resource.ResultExtend {
		r.extends++
	} else {
		r.given = append(r.given, result)
	}
	return nil
}

func (r *recorder) extended() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.extends
}

// results are those that were taken, extensions aside.
func (r *recorder) results() []resource.WorkResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.given)
}

// buffer is an output that can be read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
