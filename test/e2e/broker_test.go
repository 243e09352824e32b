//go:build e2e

package e2e_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// brokerKind is a broker that stories run over.
type brokerKind string

const (
	embedded  brokerKind = "embedded"  // sidecar broker
	mosquitto brokerKind = "mosquitto" // without persistence: a restart forgets everything
)

// mosquittoPath is where Debian puts it, which is often not on the PATH.
const mosquittoPath = "/usr/sbin/mosquitto"

// overBrokers runs a story over each broker.
func overBrokers(t *testing.T, story func(*testing.T, brokerKind)) {
	for _, kind := range []brokerKind{embedded, mosquitto} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			story(t, kind)
		})
	}
}

// broker is a broker process that keeps its port over kills and restarts.
type broker struct {
	kind brokerKind
	addr string // host:port
	dir  string
	argv []string
	log  string
	proc *process
}

// startBroker starts one and waits until it accepts connections. settings are
// further lines of mosquitto's configuration; DIR in them is the broker's
// folder.
func startBroker(t testing.TB, kind brokerKind, settings ...string) *broker {
	t.Helper()
	dir := tempDir(t)
	b := &broker{kind: kind, addr: freeAddr(t), dir: dir, log: logFile(t, dir, "broker")}
	b.argv = []string{binary, "broker", "--listen", b.addr}
	if kind == mosquitto {
		b.argv = []string{mosquittoPath, "-c", b.write(t, "mosquitto.conf", b.mosquittoConfig(settings))}
	}
	b.start(t)
	t.Cleanup(b.kill)
	return b
}

func (b *broker) mosquittoConfig(settings []string) string {
	host, port, _ := net.SplitHostPort(b.addr)
	config := fmt.Sprintf("user root\nlistener %s %s\npersistence false\nset_tcp_nodelay true\n", port, host)
	more := strings.ReplaceAll(strings.Join(settings, "\n"), "DIR", b.dir)
	if !strings.Contains(more, "allow_anonymous") {
		config += "allow_anonymous true\n"
	}
	return config + more + "\n"
}

// write writes a file into the broker's folder.
func (b *broker) write(t testing.TB, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// start starts the process again on the same port and returns when it accepts.
func (b *broker) start(t testing.TB) (accepts time.Time) {
	t.Helper()
	b.proc = startProcess(t, string(b.kind)+" broker", b.log, b.argv...)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if err := b.proc.ended(); err != nil {
			t.Fatal(err)
		}
		if conn, err := net.Dial("tcp", b.addr); err == nil {
			_ = conn.Close()
			return time.Now()
		}
	}
	t.Fatalf("the broker does not accept connections:\n%s", tail(b.log))
	return time.Time{}
}

// kill ends the process as a crash would, with all that it had queued.
func (b *broker) kill() {
	if b.proc != nil {
		b.proc.kill()
		b.proc = nil
	}
}
