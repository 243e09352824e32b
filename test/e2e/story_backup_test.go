//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// command runs the binary to its end.
func command(t testing.TB, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// commandWants runs the binary, which must exit so and say these texts.
func commandWants(t testing.TB, code int, says string, args ...string) {
	t.Helper()
	if out, got := command(t, args...); got != code || !strings.Contains(out, says) {
		t.Errorf("sidecar %s: exit code %d, want %d, saying %q: %s", strings.Join(args, " "), got, code, says, out)
	}
}

// TestBackupAndRestore: a backup is made while both apps are at work; the disk
// of the source is lost; restored, the source tells nobody to delete what it
// does not know, and once its app has declared all again both sides are equal.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, startBroker(t, embedded))
	backup := filepath.Join(w.source.dir, "backup")
	if err := w.source.api.Synced(context.Background(), resource.Scope{}); err != nil {
		t.Fatal(err)
	}
	w.putMany(100)
	w.whilePutting(func() {
		for range 5 {
			commandWants(t, 0, backup, "--socket", w.source.socket(), "backup", backup)
		}
		time.Sleep(500 * time.Millisecond)
	})
	w.settle()
	held := w.agent.status(t).Resources.Total
	if info, err := os.Stat(backup); err != nil || info.Mode() != 0o600 {
		t.Errorf("backup: %v, mode %v", err, info.Mode())
	}
	commandWants(t, 1, "stop it first", "restore", "--config", w.source.configFile(), backup)
	commandWants(t, 1, "this is agent agent1", "restore", "--config", newSidecar(t, resource.Agent, w.broker.addr, nil).configFile(), backup)
	w.source.kill()
	if err := os.WriteFile(filepath.Join(w.source.stateDir(), "sidecar.db"), []byte("the disk is gone"), 0o600); err != nil {
		t.Fatal(err)
	}
	commandWants(t, 0, "the store before is in", "restore", "--config", w.source.configFile(), backup)
	w.restart(w.source)
	w.source.waitReady(t)

	// The agent knows more than the backup. It must not be told to delete that.
	eventually(t, patience, "deletes are held back", func() error {
		status := w.source.status(t)
		return expect(len(status.Resync.HeldDeletes) > 0 && len(status.Store.Synced) == 0, "held %v, synced %v", status.Resync.HeldDeletes, status.Store.Synced)
	})
	if now := w.agent.status(t).Resources; now.Total != held || now.Deleting > 0 {
		t.Errorf("the agent has %+v, and had %d", now, held)
	}
	w.hub.declareAgain(t)
	if err := w.source.api.Synced(context.Background(), resource.Scope{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "source and agent hold the same, all observed", func() error {
		a, b := w.source.status(t), w.agent.status(t)
		return expect(a.Resources.Total == held && a.Resources.Observed == held && b.Resources.Total == held && len(a.Resync.HeldDeletes) == 0,
			"source %+v, agent %+v, held %v", a.Resources, b.Resources, a.Resync.HeldDeletes)
	})
}

// declareAgain puts everything that the app wants, as a controller does after a
// start.
func (a *sourceApp) declareAgain(t testing.TB) {
	t.Helper()
	for id := range a.wants() {
		spec := fmt.Appendf(nil, `{"again":%q}`, id)
		if _, _, err := a.api.Put(context.Background(), resource.PutRequest{Key: deviceKey(id), Spec: resource.Payload{Data: spec}}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBackupThatBreaksOff: a sidecar that dies during a backup leaves no file
// that looks like one, and the one before stays.
func TestBackupThatBreaksOff(t *testing.T) {
	t.Parallel()
	s := newSidecar(t, resource.Source, freeAddr(t), nil)
	s.start(t)
	putSome(t, s, 20)
	file := filepath.Join(s.dir, "backup")
	commandWants(t, 0, file, "--socket", s.socket(), "backup", file)
	before := readFile(t, file)
	s.kill()
	commandWants(t, 1, "is the sidecar running?", "--socket", s.socket(), "backup", file)
	if string(readFile(t, file)) != string(before) {
		t.Error("the backup before is gone")
	}
	left, err := filepath.Glob(filepath.Join(s.dir, ".backup*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v %v", left, err)
	}
	cut := filepath.Join(s.dir, "cut")
	if err := os.WriteFile(cut, before[:len(before)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	commandWants(t, 1, "not a backup, or not all of one", "restore", "--config", s.configFile(), cut)
	s.start(t)
	if n := s.status(t).Resources.Total; n != 20 {
		t.Errorf("it has %d of 20", n)
	}
}
