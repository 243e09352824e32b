//go:build e2e

package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// setPassword replaces a password file of mosquitto by one with that user.
func setPassword(t testing.TB, path, name, password string) {
	t.Helper()
	out, err := exec.Command("mosquitto_passwd", "-c", "-b", path, name, password).CombinedOutput()
	if err != nil {
		t.Fatalf("mosquitto_passwd: %v: %s", err, out)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTakenOver: a second client with the same id is told apart from a broken
// connection, and does not start a fight. It takes a broker that says why it
// ends a session; mosquitto 2.0.11 closes the connection without a word.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, startBroker(t, embedded))
	double := newSidecar(t, resource.Agent, w.broker.addr, nil)
	double.startReady(t)
	eventually(t, patience, "the first one says that it was taken over", func() error {
		c := w.agent.status(t).Connection
		long := c.NextTry != nil && time.Until(*c.NextTry) > 20*time.Second
		return expect(c.State == "waiting" && strings.Contains(c.LastError, "another client") && long, "it is %s, next try %v: %s", c.State, c.NextTry, c.LastError)
	})
	err := w.agent.api.Ready(context.Background())
	if err == nil || !strings.Contains(err.Error(), "another client") {
		t.Errorf("readyz says %v, want that another client has taken over", err)
	}
	since := double.status(t).Connection.Since
	time.Sleep(3 * time.Second)
	if c := double.status(t).Connection; c.State != "connected" || !c.Since.Equal(since) {
		t.Errorf("the second one is %s since %s, want connected since %s", c.State, c.Since, since)
	}
}

// TestPasswordRotated: the password in the file changes while apps are at work.
// The sidecar connects anew with it, and no event is lost.
func TestPasswordRotated(t *testing.T) {
	t.Parallel()
	atBroker := passwords(t, "fleet", "first")
	b := startBroker(t, mosquitto, "allow_anonymous false", "password_file "+atBroker)
	file := b.write(t, "sidecars-password", "first\n")
	w := newWorld(t, b, settings{"mqtt": settings{"username": "fleet", "passwordFile": file}})
	sinceSource, sinceAgent := w.source.status(t).Connection.Since, w.agent.status(t).Connection.Since
	w.whilePutting(func() {
		time.Sleep(300 * time.Millisecond)
		setPassword(t, atBroker, "fleet", "second")
		b.proc.signal(t, syscall.SIGHUP)
		changed := time.Now()
		replaceFile(t, file, "second\n")
		source := w.source.connectedAfter(t, sinceSource)
		agent := w.agent.connectedAfter(t, sinceAgent)
		t.Logf("connected with the new password %s and %s after the change", source.Sub(changed).Round(time.Millisecond), agent.Sub(changed).Round(time.Millisecond))
		for _, took := range []time.Duration{source.Sub(changed), agent.Sub(changed)} {
			if took > 3*time.Second {
				t.Errorf("it took %s; a change is in effect within 2 s (docs/api.md, Configuration)", took)
			}
		}
		time.Sleep(300 * time.Millisecond)
	})
	w.settle()
}

// TestOverTLS: the broker's certificate is checked; with the right CA the story
// goes as without TLS.
func TestOverTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert, key := ca.issue(t, "127.0.0.1")
	b := startBroker(t, mosquitto, "cafile "+ca.file, "certfile "+cert, "keyfile "+key)
	for name, story := range map[string]struct {
		broker string
		caFile string
		says   []string // any of
	}{
		"another CA": {"mqtts://" + b.addr, newAuthority(t).file, []string{"certificate", "authority"}},
		"no TLS":     {"mqtt://" + b.addr, "", []string{"TLS"}},
	} {
		s := newSidecar(t, resource.Source, story.broker, settings{"mqtt": settings{"caFile": story.caFile}})
		s.start(t)
		eventually(t, patience, name+" is refused with the cause", func() error {
			c := s.status(t).Connection
			return expect(c.State != "connected" && holdsAll(c.LastError, story.says), "it is %s: %s", c.State, c.LastError)
		})
		s.kill()
	}
	source := newSidecar(t, resource.Source, "mqtts://"+b.addr, settings{"mqtt": settings{"caFile": ca.file}})
	agent := newSidecar(t, resource.Agent, b.addr, settings{"mqtt": settings{"caFile": ca.file}}) // a CA alone means TLS
	source.startReady(t)
	agent.startReady(t)
	w := &world{t: t, broker: b, source: source, agent: agent}
	w.employHub()
	w.employEdge()
	w.whilePutting(func() { time.Sleep(500 * time.Millisecond) })
	w.settle()
}
