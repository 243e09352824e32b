package mqtt_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// mosquitto is a broker process of a test, with nothing on disk but its
// configuration.
type mosquitto struct {
	path, config, addr string
	process            *exec.Cmd
}

// startMosquitto starts a process on a free port, with further lines of
// configuration. It is killed at the end of the test.
func startMosquitto(t testing.TB, lines ...string) *mosquitto {
	t.Helper()
	path := findMosquitto()
	if path == "" {
		t.Skip("mosquitto is not installed: the driver is not tried against it")
	}
	m := &mosquitto{path: path, addr: freeAddr(t), config: filepath.Join(t.TempDir(), "mosquitto.conf")}
	_, port, _ := net.SplitHostPort(m.addr)
	config := fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n%s\n", port, strings.Join(lines, "\n"))
	mustNot(t, os.WriteFile(m.config, []byte(config), 0o600))
	m.start(t)
	t.Cleanup(m.kill)
	return m
}

func findMosquitto() string {
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// freeAddr is a port that was free a moment ago.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	mustNot(t, err)
	defer l.Close()
	return l.Addr().String()
}

func (m *mosquitto) start(t testing.TB) {
	t.Helper()
	m.process = exec.Command(m.path, "-c", m.config)
	m.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	mustNot(t, m.process.Start())
	listening(t, m.addr)
}

// listening waits until somebody does.
func listening(t testing.TB, addr string) {
	t.Helper()
	eventually(t, addr+" listens", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

func (m *mosquitto) kill() {
	if m.process != nil {
		_ = m.process.Process.Kill()
		_ = m.process.Wait()
		m.process = nil
	}
}
