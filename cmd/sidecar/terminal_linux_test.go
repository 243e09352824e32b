package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// window is a terminal with somebody before it, who remembers everything.
type window struct {
	screen
	slave *os.File // what a program writes to
}

// openWindow makes a pseudo terminal of that size.
func openWindow(t *testing.T, width, height int) *window {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(height), Col: uint16(width)})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	w := &window{slave: slave}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(&w.screen, master) // until the last writer has closed it
	}()
	t.Cleanup(func() {
		_ = slave.Close()
		<-ended
		_ = master.Close()
	})
	return w
}

// picture is what is drawn now, or was written since.
func (w *window) picture() string {
	all := w.String()
	return all[strings.LastIndex(all, topLeft)+1:]
}

// pictures waits for a picture that holds all texts.
func (w *window) pictures(t *testing.T, texts ...string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		picture, missing := w.picture(), ""
		for _, text := range texts {
			if !strings.Contains(picture, text) {
				missing = text
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the picture lacks %q: %q", missing, picture)
		}
	}
}

// runOn runs a command line on the terminal until stop is called.
func (s *shell) runOn(w *window, args ...string) (stop func() int) {
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- Main(ctx, append([]string{"--socket", s.socket}, args...), nil, w.slave, w.slave)
	}()
	stop = sync.OnceValue(func() int { cancel(); return <-ended })
	s.t.Cleanup(func() { stop() })
	return stop
}

func TestWatchOnATerminalIsATable(t *testing.T) {
	s := newShell(t, resource.Source)
	s.run("put", devices, "cluster1", "dev-1", "-f", s.file("1")).want(0)
	w := openWindow(t, 70, 20)
	stop := s.runOn(w, "watch")
	w.pictures(t, "1 resources: 1 pending", "CLUSTER", "dev-1   1", clearBelow)
	s.run("put", devices, "cluster1", "dev-1", "-f", s.file("2")).want(0)
	s.run("put", devices, "cluster1", "dev-2", "-f", s.file("2")).want(0)
	w.pictures(t, "2 resources", "dev-1   2", "dev-2   1")
	if n := strings.Count(w.picture(), "dev-1"); n != 1 {
		t.Errorf("%d rows for one resource: %q", n, w.picture())
	}
	s.run("delete", devices, "cluster1", "dev-1", "--force").want(0)
	w.pictures(t, "1 resources", "gone")
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	w.pictures(t, firstScreen, "dev-2")
}

func TestATableIsCutToItsWindow(t *testing.T) {
	s := newShell(t, resource.Source)
	for i := range 20 {
		s.run("put", devices, "cluster1", fmt.Sprintf("a-device-with-a-long-name-%d", i), "-f", s.file("1")).want(0)
	}
	w := openWindow(t, 40, 10)
	s.runOn(w, "watch", "-o", "wide")
	w.pictures(t, "and 14 more", clearBelow)
	picture := strings.TrimPrefix(w.picture(), topLeft[1:])
	picture, _, _ = strings.Cut(picture, clearBelow)
	lines := strings.Split(strings.ReplaceAll(picture, "\r", ""), "\n")
	if len(lines) > 10 {
		t.Errorf("%d lines", len(lines))
	}
	for _, line := range lines {
		if n := len([]rune(strings.TrimSuffix(line, clearLine))); n > 39 {
			t.Errorf("%d characters: %q", n, line)
		}
	}
}

// A watch that is looked at outlives its sidecar.
func TestATableOutlivesTheSidecar(t *testing.T) {
	backend := apitest.New(resource.Source)
	s := &shell{t: t, backend: backend, socket: apitest.Socket(t)}
	end := apitest.ServeAt(t, localapi.Options{Backend: backend}, s.socket)
	s.run("put", devices, "cluster1", "dev-1", "-f", s.file("1")).want(0)
	s.run("put", devices, "cluster1", "dev-2", "-f", s.file("1")).want(0)
	table, status := openWindow(t, 80, 20), openWindow(t, 100, 30)
	s.runOn(table, "watch")
	s.runOn(status, "status", "--watch", "--every", "100ms")
	table.pictures(t, "dev-1", "dev-2")
	status.pictures(t, "Role", "source hub1", "Queue resources")
	end()
	status.pictures(t, "is the sidecar running?", "source hub1")
	backend.Confirm(devKey)
	backend.Lapse()
	end = apitest.ServeAt(t, localapi.Options{Backend: backend}, s.socket)
	defer end()
	table.pictures(t, "gone", "dev-2")
	s.run("put", devices, "cluster1", "dev-3", "-f", s.file("1")).want(0)
	table.pictures(t, "dev-3")
}

func TestProgressIsShownOnATerminal(t *testing.T) {
	w := openWindow(t, 60, 10)
	var r reading
	r.files = []input{{"a", 3000}, {"b", 1000}}
	r.bytes.Store(2000)
	r.count.Store(7)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		r.progress(&terminal{w.slave}, stop)
	}()
	w.shows(t, "\rapplying [###############---------------]  50%  7 items")
	close(stop)
	<-stopped
	w.shows(t, "\r"+clearLine)
	r.files = append(r.files, input{name: "-"})
	if line := r.progressLine(time.Second); line != "applying 7 items, 0.0 MiB, 7/s" {
		t.Errorf("line %q", line)
	}
}

func TestWhatIsNoTerminal(t *testing.T) {
	w := openWindow(t, 60, 10)
	if terminalOf(&bytes.Buffer{}) != nil || terminalOf(w.slave) == nil {
		t.Error("the wrong one is a terminal")
	}
	t.Setenv("TERM", "dumb")
	if terminalOf(w.slave) != nil {
		t.Error("a dumb one is taken for one that moves its cursor")
	}
}
