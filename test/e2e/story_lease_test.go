//go:build e2e

package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// leaseScript fails at first for every third device, and says when it begins
// and ends.
const leaseScript = `#!/bin/sh
echo "begin $SIDECAR_KEY_ID" >>"$LOG"
sleep 0.2
echo "end $SIDECAR_KEY_ID" >>"$LOG"
[ "$SIDECAR_DELETING" = true ] && exit 0
case $SIDECAR_KEY_ID$SIDECAR_ATTEMPT in *[369]1) echo "not yet" >&2 && exit 75 ;; esac
echo "{\"version\":$SIDECAR_VERSION}"
`

// TestShellWorker: `sidecar lease` outlives its sidecar, which is killed while
// commands run; each device is handled to its end, and never twice at a time.
func TestShellWorker(t *testing.T) {
	t.Parallel()
	const devicesCount = 20
	w := prepareWorld(t, startBroker(t, embedded))
	w.start()
	log := filepath.Join(w.agent.dir, "commands")
	worker := w.startWorker(log)
	key := func(i int) resource.Key {
		return resource.Key{DataType: devices, Cluster: clusterName, ID: fmt.Sprintf("dev-%02d", i)}
	}
	for i := range devicesCount {
		if _, _, err := w.source.api.Put(t.Context(), resource.PutRequest{Key: key(i), Spec: resource.Payload{Data: []byte(`{}`), ContentType: "application/json"}}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, time.Minute, "some commands have run", func() error { return expect(strings.Count(readAll(log), "end") > 5, "%s", readAll(log)) })
	w.agent.kill()
	w.agent.start(t)
	eventually(t, time.Minute, "all are observed", func() error {
		counts := w.source.status(t).Resources
		return expect(counts.Observed == devicesCount, "%+v", counts)
	})
	for i := range devicesCount {
		if _, _, err := w.source.api.Delete(t.Context(), resource.DeleteRequest{Key: key(i)}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, time.Minute, "all are gone", func() error {
		counts := w.source.status(t).Resources
		return expect(counts.Total == 0, "%+v", counts)
	})
	worker.signal(t, syscall.SIGTERM)
	if code := worker.exits(t, 10*time.Second); code != 0 {
		t.Errorf("the worker ended with exit code %d: %s", code, tail(worker.log))
	}
	wantOneAtATime(t, readAll(log))
}

// startWorker runs leaseScript for the work of the agent.
func (w *world) startWorker(log string) *process {
	w.t.Helper()
	script := filepath.Join(w.agent.dir, "handle.sh")
	if err := os.WriteFile(script, []byte(leaseScript), 0o700); err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(binary, "--socket", w.agent.socket(), "lease", "--confirm-deletes", "--concurrency", "3", "--", script)
	cmd.Env = append(os.Environ(), "LOG="+log)
	p := startCommand(w.t, "lease", logFile(w.t, w.agent.dir, "lease"), cmd)
	w.t.Cleanup(p.kill)
	return p
}

func readAll(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

// wantOneAtATime reads the lines "begin ID" and "end ID".
func wantOneAtATime(t *testing.T, log string) {
	t.Helper()
	running := map[string]bool{}
	for line := range strings.Lines(log) {
		what, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		if begins := what == "begin"; running[id] == begins {
			t.Errorf("%s: %s out of turn", id, what)
		}
		running[id] = what == "begin"
	}
}
