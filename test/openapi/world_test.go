package openapi_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/test/build"
	"github.com/pillion-dev/pillion/testbroker"
)

// startSidecars starts a broker, a source and an agent, and waits until they
// have found each other.
func startSidecars(t *testing.T, seenAnswers map[string]bool) (source, agent *server) {
	t.Helper()
	dir, err := os.MkdirTemp("", "oa") // short: a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	broker, err := testbroker.Start(testbroker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Close() })
	binary := sidecarBinary(t, dir)
	sides := map[string]*server{}
	for side, identity := range map[string]string{"source": "role: source\nid: hub1\n", "agent": "role: agent\nid: agent1\ncluster: cluster1\n"} {
		socket := filepath.Join(dir, side+".sock")
		runSidecar(t, binary, filepath.Join(dir, side+".yaml"), fmt.Sprintf("%smqtt: {brokerHost: %q}\ndataTypes: [%s]\nstate: {dir: %q, sync: false}\napi: {socket: %q}\n",
			identity, broker.Addr(), devices, filepath.Join(dir, side), socket))
		awaitReady(t, binary, socket)
		sides[side] = newServer(t, socket, seenAnswers)
	}
	return sides["source"], sides["agent"]
}

// sidecarBinary is $SIDECAR_BIN, or what it builds.
func sidecarBinary(t *testing.T, dir string) string {
	t.Helper()
	if binary := os.Getenv("SIDECAR_BIN"); binary != "" {
		return binary
	}
	binary := filepath.Join(dir, "sidecar")
	if err := build.Sidecar(binary); err != nil {
		t.Fatal(err)
	}
	return binary
}

// runSidecar runs a sidecar until the test ends at the latest.
func runSidecar(t *testing.T, binary, file, config string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(binary, "run", "--config", file)
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", file, log.String())
		}
	})
}

func awaitReady(t *testing.T, binary, socket string) {
	t.Helper()
	out, err := exec.Command(binary, "--socket", socket, "ready", "--wait", patience.Round(time.Second).String()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
