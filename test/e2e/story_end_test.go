//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// slowQPS is how many events a second slowEnd publishes.
const slowQPS = 50

// slowEnd is a source that needs seconds to publish what it has, to an agent.
func slowEnd(t *testing.T, b *broker) *sidecar {
	t.Helper()
	s := newSidecar(t, resource.Source, b.addr, settings{"limits": settings{"publishQPS": slowQPS, "publishBurst": 1}})
	newSidecar(t, resource.Agent, b.addr, nil).startReady(t)
	s.startReady(t)
	return s
}

func putSome(t *testing.T, s *sidecar, n int) {
	t.Helper()
	for i := range n {
		if _, _, err := s.api.Put(context.Background(), resource.PutRequest{Key: deviceKey(fmt.Sprint(i)), Spec: resource.Payload{Data: []byte(`{}`)}}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheEndTakesNoMoreWork: from SIGTERM on there is no work, no news and no
// readiness, while what is pending goes out and what the app still says is
// taken; then the broker gets a DISCONNECT, and the socket is gone.
func TestTheEndTakesNoMoreWork(t *testing.T) {
	t.Parallel()
	b := startBroker(t, mosquitto, "log_type all")
	s := slowEnd(t, b)
	putSome(t, s, 150)
	r := s.raw(t)
	waiting := make(chan reply, 2)
	answered := func(got reply, err error) {
		if err != nil {
			got.body = err.Error()
		}
		waiting <- got
	}
	atLeast := time.Duration(s.status(t).Resources.Pending) * time.Second / slowQPS / 2
	began := time.Now()
	r.begin("POST", "/v1/queues/resources/lease", `{"wait":"60s"}`, answered)
	r.begin("GET", "/v1/resources?watch=true&since="+s.revision(t), "", answered)
	s.proc.signal(t, syscall.SIGTERM)
	for range 2 {
		if got := <-waiting; got.status != 200 || time.Since(began) > 2*time.Second {
			t.Errorf("a call that waits is answered after %s with %d %s", time.Since(began), got.status, got.body)
		}
	}
	r.wants(503, resource.Unavailable, "POST", "/v1/queues/resources/lease", `{}`)
	r.wants(503, resource.Unavailable, "GET", "/v1/resources?watch=true", "")
	if got := r.call("GET", "/readyz", ""); got.status != 503 || !strings.Contains(got.body, "[-]shutdown failed: the sidecar is ending") {
		t.Errorf("readyz: %d %s", got.status, got.body)
	}
	r.wants(200, "", "GET", "/livez", "")
	r.wants(201, "", "PUT", devicePut+"-last?wait=published&timeout=20s", `{"spec":"the last word"}`) // answered when it is
	s.exitsWell(t)
	if took := time.Since(began); took < atLeast || atLeast == 0 {
		t.Errorf("it ended after %s, and publishing what was pending takes more than %s", took, atLeast)
	}
	if _, err := os.Lstat(s.socket()); !os.IsNotExist(err) {
		t.Errorf("the socket is there: %v", err)
	}
	if files := stateFiles(t, s); strings.Contains(files, "journal") {
		t.Errorf("the store was not closed: %s", files)
	}
	eventually(t, 5*time.Second, "the broker has seen a DISCONNECT", func() error {
		log := string(readFile(t, b.log))
		return expect(strings.Contains(log, "Received DISCONNECT from hub1-client"), "it has not")
	})
	s.start(t)
	if n := s.status(t).Resources; n.Total != 151 || n.Pending > 0 {
		t.Errorf("after the end it has %+v", n)
	}
}

func (s *sidecar) revision(t testing.TB) string {
	t.Helper()
	list, err := s.api.List(context.Background(), resource.ListRequest{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	return list.Revision.String()
}

func stateFiles(t testing.TB, s *sidecar) string {
	t.Helper()
	entries, err := os.ReadDir(s.stateDir())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// TestASecondSignalEndsAtOnce: and takes nothing back.
func TestASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	s := slowEnd(t, startBroker(t, embedded))
	putSome(t, s, 200)
	s.proc.signal(t, syscall.SIGTERM)
	s.waitLogged(t, "sidecar is ending")
	began := time.Now()
	s.proc.signal(t, syscall.SIGTERM)
	if code := s.proc.exits(t, 5*time.Second); code == 0 || time.Since(began) > time.Second {
		t.Errorf("exit code %d after %s", code, time.Since(began))
	}
	s.proc = nil
	s.start(t)
	if n := s.status(t).Resources.Total; n != 200 {
		t.Errorf("it has %d of 200", n)
	}
}

// TestTheGraceIsKept: what cannot be published in time stays for the next start.
func TestTheGraceIsKept(t *testing.T) {
	t.Parallel()
	s := slowEnd(t, startBroker(t, embedded))
	s.configure(t, settings{"shutdownGrace": "1s"})
	eventually(t, 5*time.Second, "the grace is in effect", func() error {
		s.proc.signal(t, syscall.SIGHUP)
		return expect(strings.Contains(s.proc.output(t), "configuration reloaded"), "it is not")
	})
	putSome(t, s, 300)
	if took := s.terminate(t); took > 4*time.Second || took < 900*time.Millisecond {
		t.Errorf("it took %s to end", took)
	}
	s.start(t)
	if n := s.status(t).Resources; n.Total != 300 || n.Pending == 0 {
		t.Errorf("after the end it has %+v", n)
	}
}
