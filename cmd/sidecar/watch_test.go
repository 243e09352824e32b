package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// screen is an output that can be read while it is written.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// shows waits until the screen holds the text.
func (s *screen) shows(t *testing.T, text string) {
	t.Helper()
	s.showsTimes(t, 1, text)
}

// showsTwice waits until the screen holds the text two times.
func (s *screen) showsTwice(t *testing.T, text string) {
	t.Helper()
	s.showsTimes(t, 2, text)
}

func (s *screen) showsTimes(t *testing.T, times int, text string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); strings.Count(s.String(), text) < times; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the screen lacks %q: %s", text, s.String())
		}
	}
}

// watch runs the command until stop is called, which returns its exit code.
func (s *shell) watch(args ...string) (out *screen, stop func() int) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	out = &screen{}
	ended := make(chan int, 1)
	go func() {
		ended <- Main(ctx, append([]string{"--socket", s.socket, "watch"}, args...), nil, out, &bytes.Buffer{})
	}()
	stop = func() int { cancel(); return <-ended }
	return out, sync.OnceValue(stop)
}

func TestWatch(t *testing.T) {
	s := newShell(t, resource.Source)
	s.run("put", devices, "cluster1", "dev-1", "-f", s.file("1")).want(0)
	for output, texts := range map[string][]string{
		"table": {"EVENT", "ADDED      cluster1", "SYNCED"},
		"wide":  {"DATATYPE", devices, "ADDED", "SYNCED"},
		"json":  {`{"type":"ADDED","resource":{`, "\n" + `{"type":"SYNCED","revision":"`},
		"yaml":  {"---\nresource:\n", "type: ADDED\n", "type: SYNCED\n"},
	} {
		out, stop := s.watch(devices, "cluster1", "-o", output)
		for _, text := range texts {
			out.shows(t, text)
		}
		if code := stop(); code != 0 {
			t.Errorf("%s: exit code %d", output, code)
		}
	}
}

func TestWatchShowsChanges(t *testing.T) {
	s := newShell(t, resource.Source)
	out, stop := s.watch()
	defer stop()
	out.shows(t, "SYNCED")
	s.run("put", devices, "cluster1", "dev-1", "-f", s.file("1")).want(0)
	out.shows(t, "ADDED")
	s.run("delete", devices, "cluster1", "dev-1").want(0)
	out.shows(t, "DELETED")
}

func TestWatchWaitsForASidecarThatIsNotThereYet(t *testing.T) {
	s := &shell{t: t, socket: apitest.Socket(t)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, errOut := &screen{}, &screen{}
	ended := make(chan int, 1)
	go func() { ended <- Main(ctx, []string{"--socket", s.socket, "watch"}, nil, out, errOut) }()
	errOut.shows(t, "is the sidecar running?")
	t.Cleanup(apitest.ServeAt(t, localapi.Options{Backend: apitest.New(resource.Source)}, s.socket))
	out.shows(t, "SYNCED")
	cancel()
	if code := <-ended; code != 0 || strings.Count(errOut.String(), "\n") != 1 {
		t.Errorf("exit code %d: %s", code, errOut)
	}
}

// Who interrupts the wait has not failed.
func TestWatchThatFindsNoSidecarIsInterrupted(t *testing.T) {
	s := &shell{t: t, socket: apitest.Socket(t)}
	_, stop := s.watch()
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
