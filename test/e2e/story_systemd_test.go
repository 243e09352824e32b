//go:build e2e

package e2e_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// TestUnderSystemd: it says when it is ready, alive and stopping, and takes the
// socket of a .socket unit, which stays when it ends.
func TestUnderSystemd(t *testing.T) {
	t.Parallel()
	s := newSidecar(t, resource.Source, freeAddr(t), nil)
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(s.dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	said := func(want string) {
		t.Helper()
		_ = manager.SetReadDeadline(time.Now().Add(10 * time.Second))
		for b := make([]byte, 4096); ; {
			n, err := manager.Read(b)
			if err != nil {
				t.Fatalf("it does not say %s: %v", want, err)
			}
			if strings.Contains(string(b[:n]), want) {
				return
			}
		}
	}
	unit, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.socket(), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer unit.Close()
	inherited, err := unit.File()
	if err != nil {
		t.Fatal(err)
	}
	defer inherited.Close()

	// A call that comes before the sidecar waits for it.
	early := make(chan error, 1)
	go func() { early <- s.api.Live(context.Background()) }()

	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" run --config "$1"`, binary, s.configFile())
	cmd.Env = append(os.Environ(), "LISTEN_FDS=1", "NOTIFY_SOCKET="+filepath.Join(s.dir, "notify"), "WATCHDOG_USEC=400000")
	cmd.ExtraFiles = []*os.File{inherited}
	s.proc = startCommand(t, "source", s.log, cmd)
	said("READY=1")
	if err := <-early; err != nil {
		t.Errorf("the call that came before: %v", err)
	}
	said("WATCHDOG=1")
	said("WATCHDOG=1")
	s.proc.signal(t, syscall.SIGTERM)
	said("STOPPING=1")
	s.exitsWell(t)
	if _, err := os.Lstat(s.socket()); err != nil {
		t.Errorf("the unit's socket is gone: %v", err)
	}
}
