//go:build !lite

package examples_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWorks plays a ManifestWork through the official Kubernetes clients: an
// informer of JavaScript's at the hub, a list and watch of Python's on the
// cluster, and no Kubernetes anywhere.
func TestWorks(t *testing.T) {
	python := pythonWithKubernetes(t)
	if _, err := os.Stat("work-source-node/node_modules/@kubernetes/client-node"); err != nil {
		t.Skip("run npm ci in examples/work-source-node first")
	}
	w := newWorld(t)
	w.startSidecars()
	applied := filepath.Join(w.dir, "applied")
	edge := start(t, []string{python, "work-agent-python/agent.py"},
		"KUBECONFIG="+w.kubeconfig("agent"), "APPLY_DIR="+applied)
	hub := start(t, []string{"node", "work-source-node/source.mjs", "hello"}, "KUBECONFIG="+w.kubeconfig("source"))
	hub.wantExit(storyTime)
	for _, want := range []string{"hello: declared", "hello: applied, k is v1", "hello: gone"} {
		hub.wantLine(want)
	}
	edge.wantLine("hello: cleaned up")
	if left, err := os.ReadDir(applied); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// wantLine waits until the program has said it.
func (p *process) wantLine(what string) {
	p.t.Helper()
	for deadline := time.Now().Add(storyTime); !strings.Contains(p.output(), what); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("%s did not say %q:\n%s", p.name, what, p.output())
		}
	}
}

// pythonWithKubernetes is a python3 that has the official client.
func pythonWithKubernetes(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import kubernetes, yaml").Run() == nil {
			return python
		}
	}
	t.Skip("no python3 has the Kubernetes client: install python3-kubernetes")
	return ""
}

// kubeconfig leads to a sidecar's socket by a port on loopback: the clients
// cannot dial sockets.
func (w *world) kubeconfig(side string) string {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = listener.Close() })
	go forward(listener, w.socket(side))
	path := filepath.Join(w.dir, side+".kubeconfig")
	text := fmt.Sprintf(strings.TrimSpace(`
apiVersion: v1
kind: Config
clusters: [{name: s, cluster: {server: "http://%s", insecure-skip-tls-verify: true}}]
users: [{name: s, user: {}}]
contexts: [{name: s, context: {cluster: s, user: s}}]
current-context: s`), listener.Addr())
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func forward(listener net.Listener, socket string) {
	for {
		from, err := listener.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("unix", socket)
		if err != nil {
			_ = from.Close()
			continue
		}
		go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
		go func() { _, _ = io.Copy(from, to); _ = from.Close() }()
	}
}
