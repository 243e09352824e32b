package main

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

func (s *shell) receive(ids ...string) {
	for _, id := range ids {
		key := devKey
		key.ID = id
		s.backend.Receive(resource.Resource{Key: key, Version: 2, Spec: json.RawMessage(`{}`)})
	}
}

func (s *shell) queue() resource.QueueStats {
	stats, _ := s.backend.Queue(apitest.Queue)
	return stats
}

func TestLeaseShowsItems(t *testing.T) {
	s := newShell(t, resource.Agent)
	s.receive("dev-1", "dev-2", "dev-3", "dev-4")
	s.run("lease").want(0, "CLUSTER", "dev-1", "created")
	s.run("lease", "-o", "json", "--data-type", devices).want(0, `"lease": "lease-2"`, `"id": "dev-2"`)
	s.run("lease", "--max", "10", "-o", "wide").want(0, "LEASE", "lease-3", "dev-4", devices)
	if got := s.queue(); got.InFlight != 4 {
		t.Errorf("%+v", got)
	}
	s.run("lease", "--wait", "10ms", "-o", "json").want(0, `"items": []`)
}

func TestLeaseAnswersThatItemsAreDone(t *testing.T) {
	s := newShell(t, resource.Agent)
	s.receive("dev-1", "dev-2")
	s.run("lease", "--max", "2", "--done").want(0, "dev-1", "dev-2")
	if got := s.queue(); got.InFlight != 0 || got.Depth != 0 {
		t.Errorf("%+v", got)
	}
}

func TestLeaseRunsACommand(t *testing.T) {
	s := newShell(t, resource.Agent)
	s.receive("dev-1", "dev-2")
	s.run("lease", "--exit-when-empty", "--", "sh", "-c", `echo "did $SIDECAR_KEY_ID at $SIDECAR_SOCKET"`).want(0, "did dev-1 at "+s.socket, "did dev-2")
	s.run("requeue", "resources", devices+"/cluster1/dev-1").want(0)
	s.run("lease", "--once", "--", "sh", "-c", `cat > /dev/null; echo '{"on":true}'`).want(0)
	s.run("get", devices, "cluster1", "dev-1", "-o", "json").want(0, `"on": true`)
}

func TestLeaseFailsIfACommandFailed(t *testing.T) {
	s := newShell(t, resource.Agent)
	s.receive("dev-1")
	got := s.run("lease", "--once", "--", "sh", "-c", "echo no such model >&2; exit 65")
	if got.code != 1 || !strings.Contains(got.err, "no such model\n") || !strings.Contains(got.err, "1 of 1 failed") {
		t.Errorf("exit code %d: %s", got.code, got.err)
	}
	s.run("dlq", "list").want(0, "no such model")
}

func TestACommandCallsTheSameSidecar(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, test := range []struct {
		cli  cli
		want []string
	}{
		{cli{socket: "s.sock"}, []string{"SIDECAR_SOCKET=" + dir + "/s.sock", "SIDECAR_SERVER="}},
		{
			cli{socket: defaultSocket, remote: client.Remote{Server: "https://hub:7410", TokenFile: "token"}},
			[]string{"SIDECAR_SERVER=https://hub:7410", "SIDECAR_TOKEN_FILE=" + dir + "/token", "SIDECAR_CA_FILE="},
		},
	} {
		got, err := test.cli.targetEnvironment()
		slices.Sort(got)
		slices.Sort(test.want)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%q, %v, want %q", got, err, test.want)
		}
	}
}

// asks waits until so many questions for work are open.
func (s *shell) asks(n int) {
	s.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); s.backend.Leasing() != n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%d questions are open, want %d", s.backend.Leasing(), n)
		}
	}
}

func TestLeaseEndsAtSIGTERM(t *testing.T) {
	s := newShell(t, resource.Agent)
	s.receive("dev-1")
	out := &screen{}
	ended := make(chan int, 1)
	go func() {
		ended <- Main(t.Context(), []string{"--socket", s.socket, "lease", "--grace", "1m", "--", "sh", "-c", "trap 'echo ended; exit 1' TERM; echo begun; sleep 60 & wait"}, nil, out, &bytes.Buffer{})
	}()
	out.shows(t, "begun")
	terminate := func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	s.asks(1)
	terminate()
	s.asks(0)
	terminate() // the grace is over
	out.shows(t, "ended")
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestLeaseWrongUse(t *testing.T) {
	s := newShell(t, resource.Agent)
	for _, args := range [][]string{
		{"true"}, {"x", "--", "true"}, {"--done", "--", "true"}, {"--concurrency", "0", "--", "true"}, {"--concurrency", "1000", "--", "true"},
		{"--max", "0"}, {"--max", "1001"}, {"--wait", "61s"}, {"--wait", "-1s"}, {"--lease-for", "1ms"}, {"--timeout", "-1s", "--", "true"},
		{"--data-type", "x"}, {"--once"}, {"--confirm-deletes"}, {"--grace", "1s"}, {"--once", "--exit-when-empty", "--", "true"},
	} {
		s.run(append([]string{"lease"}, args...)...).want(2, "--help'")
	}
	s.run("lease", "--", "/nonexistent/command").want(1, "cannot be run")
	s.run("lease", "--queue", "none").want(1, "no queue")
	s.run("lease", "--queue", "none", "--", "true").want(1, "no queue")
	gone := &shell{t: t, socket: apitest.Socket(t)}
	gone.run("lease", "--exit-when-empty", "--", "true").want(1, "is the sidecar running?")
}

func TestLeaseCompletion(t *testing.T) {
	s := newShell(t, resource.Agent)
	s.receive("dev-1")
	s.run("__complete", "lease", "--queue", "").want(0, "resources")
	s.run("__complete", "lease", "--data-type", "").want(0, devices)
	s.run("__complete", "lease", "--", "").want(0, ":0") // files
}
