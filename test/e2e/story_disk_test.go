//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// smallDisk mounts a file system of so many MiB for the time of the test; only
// root can.
func smallDisk(t testing.TB, mib int) (dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir = tempDir(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		t.Skipf("cannot mount a small disk here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fill leaves no space in dir until the returned function is called.
func fill(t testing.TB, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 1 << 20; size >= 512; { // the last bytes, too
		if _, err := file.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDiskFullAtSource: a write that finds no space is answered 507, nothing
// breaks, and it goes on when there is space.
func TestDiskFullAtSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t, startBroker(t, embedded))
	w.moveState(w.source, smallDisk(t, 16))
	w.whilePutting(func() { time.Sleep(300 * time.Millisecond) })
	w.settle()
	free := fill(t, filepath.Dir(w.source.stateDirNow()))
	refused := eventually(t, patience, "a write is refused", func() error { return expect(w.putIsRefused(t), "there is still space") })
	t.Logf("refused after %s: 507", refused.Round(time.Millisecond))
	if err := w.source.api.Live(context.Background()); err != nil {
		t.Errorf("the source is not alive: %v", err)
	}
	if _, err := w.source.api.Get(context.Background(), deviceKey("dev-0")); err != nil {
		t.Errorf("reading does not work any more: %v", err)
	}
	w.whilePutting(func() {
		time.Sleep(500 * time.Millisecond) // writers keep asking
		free()
		time.Sleep(500 * time.Millisecond)
	})
	t.Logf("all observed %s after the last put", w.settle().Round(time.Millisecond))
}

// putIsRefused declares something new, once, and tells whether the disk was full.
func (w *world) putIsRefused(t testing.TB) bool {
	t.Helper()
	id, spec := w.hub.newID(), fmt.Appendf(nil, "{%q:%q}", "a", filling)
	r, _, err := w.source.api.Put(context.Background(), resource.PutRequest{Key: deviceKey(id), Spec: resource.Payload{Data: spec}})
	var e *resource.Error
	switch {
	case err == nil:
		w.hub.acknowledged(id, digest(spec), r.Version)
		return false
	case !errors.As(err, &e) || e.Code != resource.DiskFull:
		t.Fatalf("a write on a full disk: %v, want %s", err, resource.DiskFull)
	}
	w.hub.drop(id)
	return true
}

// TestDiskFullAtAgent: what the agent cannot store stays with the broker; it
// says so, and goes on when there is space.
func TestDiskFullAtAgent(t *testing.T) {
	overBrokers(t, func(t *testing.T, kind brokerKind) {
		w := newWorld(t, startBroker(t, kind))
		w.edge.failed.Store(true) // its answers find no space either
		w.moveState(w.agent, smallDisk(t, 16))
		free := fill(t, filepath.Dir(w.agent.stateDirNow()))
		w.whilePutting(func() {
			eventually(t, patience, "the agent is not ready, because of its store", func() error {
				err := w.agent.api.Ready(context.Background())
				return expect(err != nil && holdsAll(err.Error(), []string{"store"}), "it says %v", err)
			})
			time.Sleep(500 * time.Millisecond)
			free()
			w.agent.waitReady(t)
		})
		t.Logf("%s: all %d observed %s after the last put", kind, len(w.hub.wants()), w.settle().Round(time.Millisecond))
	})
}

// moveState gives a sidecar a state.dir on another disk.
func (w *world) moveState(s *sidecar, disk string) {
	w.t.Helper()
	s.terminate(w.t)
	s.configure(w.t, settings{"state": settings{"dir": filepath.Join(disk, "state")}})
	w.restart(s)
	s.waitReady(w.t)
}

// stateDirNow is where the state is after moveState.
func (s *sidecar) stateDirNow() string { return s.config["state"].(settings)["dir"].(string) }
