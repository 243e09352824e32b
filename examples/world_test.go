package examples_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/test/build"
	"github.com/pillion-dev/pillion/testbroker"
)

// binary is the sidecar under test, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	for _, tool := range []string{"python3", "node", "curl", "sh", "go"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Fprintf(os.Stderr, "the examples need %s: install it, or leave out ./examples/\n", tool)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "examples-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "sidecar")
	if err := build.Sidecar(binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// What the example configurations say, and what a world puts in its place.
const (
	exampleBroker = "127.0.0.1:1883"
	exampleDir    = "/tmp/pillion"
)

// world is a broker, and a place for a sidecar and an app on either side.
type world struct {
	t             *testing.T
	dir           string // short: a socket's path has at most 107 bytes
	broker        *testbroker.Broker
	source, agent *process // the sidecars that run; nil = none yet
	agentConfig   string   // of the examples
	doors         []*door
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "ex")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	broker, err := testbroker.Start(testbroker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Close() })
	return &world{t: t, dir: dir, broker: broker, agentConfig: "agent.yaml"}
}

func (w *world) socket(side string) string { return filepath.Join(w.dir, side+".sock") }

// appSocket is where a push receiver listens, as its environment.
func (w *world) appSocket() string { return "APP_SOCKET=" + filepath.Join(w.dir, "app.sock") }

// run starts an app. While its sidecar is not there, a closed door is.
func (w *world) run(p program, env ...string) *process {
	w.t.Helper()
	if w.sidecar(p.side) == nil {
		w.doors = append(w.doors, shutDoor(w.t, w.socket(p.side)))
	}
	return start(w.t, p.command, append(env, "SIDECAR_SOCKET="+w.socket(p.side))...)
}

func (w *world) sidecar(side string) *process {
	if side == "agent" {
		return w.agent
	}
	return w.source
}

// awaitKnock waits until every app that has no sidecar has tried in vain.
func (w *world) awaitKnock() {
	w.t.Helper()
	for _, d := range w.doors {
		within(w.t, storyTime, d.knocked, "an app to look for its sidecar")
	}
}

// startSidecars starts those that do not run.
func (w *world) startSidecars() {
	w.t.Helper()
	for _, d := range w.doors {
		d.remove()
	}
	w.doors = nil
	if w.source == nil || w.source.ended() {
		w.source = w.startSidecar("source")
	}
	if w.agent == nil || w.agent.ended() {
		w.agent = w.startSidecar("agent")
	}
}

// startSidecar runs the example configuration in this world.
func (w *world) startSidecar(side string) *process {
	w.t.Helper()
	file := side + ".yaml"
	if side == "agent" {
		file = w.agentConfig
	}
	text, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(w.dir, side+".yaml")
	config := strings.NewReplacer(exampleBroker, w.broker.Addr(), exampleDir, w.dir).Replace(string(text))
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return start(w.t, []string{binary, "run", "--config", path})
}

// door is a socket on which nobody answers: it closes what comes, and tells
// that somebody came.
type door struct {
	listener net.Listener
	knocked  chan struct{} // closed at the first knock
	closed   chan struct{}
}

func shutDoor(t *testing.T, path string) *door {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	d := &door{listener: l, knocked: make(chan struct{}), closed: make(chan struct{})}
	go d.watch()
	t.Cleanup(d.remove)
	return d
}

func (d *door) watch() {
	defer close(d.closed)
	for first := true; ; first = false {
		c, err := d.listener.Accept()
		if err != nil {
			return
		}
		_ = c.Close()
		if first {
			close(d.knocked)
		}
	}
}

// remove takes the socket away.
func (d *door) remove() {
	_ = d.listener.Close()
	<-d.closed
}
