package harness

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// BrokerKind is a broker that every story runs through.
type BrokerKind string

// The brokers: the one in the sidecar binary, and Debian's mosquitto with its
// own limits and without persistence, so that a restart forgets everything.
const (
	Embedded  BrokerKind = "embedded"
	Mosquitto BrokerKind = "mosquitto"
)

// BrokerKinds are all of them.
var BrokerKinds = []BrokerKind{Embedded, Mosquitto}

// mosquittoPath is where Debian puts it, which is often not on the PATH.
const mosquittoPath = "/usr/sbin/mosquitto"

// Broker is a broker process that keeps its port over kills and restarts.
type Broker struct {
	Kind BrokerKind
	Addr string // host:port
	argv []string
	log  string
	proc *process
}

// StartBroker starts one and waits until it accepts connections.
func StartBroker(t testing.TB, kind BrokerKind) *Broker {
	t.Helper()
	dir := tempDir(t)
	b := &Broker{Kind: kind, Addr: freeAddr(t), log: logFile(t, dir, "broker")}
	switch kind {
	case Embedded:
		b.argv = []string{SidecarBinary(t), "broker", "--listen", b.Addr}
	case Mosquitto:
		b.argv = []string{mosquittoPath, "-c", mosquittoConfig(t, dir, b.Addr)}
	default:
		t.Fatalf("unknown broker %q", kind)
	}
	b.Start(t)
	t.Cleanup(b.Kill)
	return b
}

// mosquittoConfig keeps a mosquitto that root has started root's: it would
// change its user, and so no longer die with the test.
func mosquittoConfig(t testing.TB, dir, addr string) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	path := filepath.Join(dir, "mosquitto.conf")
	text := fmt.Sprintf("user root\nlistener %s %s\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n", port, host)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Start starts the process again on the same port.
func (b *Broker) Start(t testing.TB) {
	t.Helper()
	proc, err := startProcess(string(b.Kind)+" broker", b.log, b.argv...)
	if err != nil {
		t.Fatal(err)
	}
	b.proc = proc
	Eventually(t, 10*time.Second, "the broker accepts connections", func() error {
		if err := proc.ended(); err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", b.Addr)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// Kill ends the process as a crash would, with all that it had queued.
func (b *Broker) Kill() {
	if b.proc != nil {
		b.proc.kill()
		b.proc = nil
	}
}
