//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// The one source and the one cluster of the stories.
const (
	devices     = "com.example.fleet.v1alpha1.devices"
	sourceID    = "hub1"
	clusterName = "cluster1"
)

// settings are keys of the configuration; nested ones are settings too.
type settings map[string]any

// sidecar is a sidecar process with its folder, socket and configuration.
type sidecar struct {
	role   resource.Role
	api    *client.Client
	config settings
	dir    string
	log    string
	proc   *process // nil = not running
}

// newSidecar prepares a sidecar; start starts it.
func newSidecar(t testing.TB, role resource.Role, broker string, more settings) *sidecar {
	t.Helper()
	dir := tempDir(t)
	s := &sidecar{role: role, dir: dir, log: logFile(t, dir, string(role))}
	s.api = client.New(s.socket())
	s.config = settings{
		"role":      string(role),
		"id":        sourceID,
		"mqtt":      settings{"brokerHost": broker},
		"dataTypes": []string{devices},
		"state":     settings{"dir": s.stateDir()},
		"api":       settings{"socket": s.socket()},
	}
	if role == resource.Agent {
		s.config["id"], s.config["cluster"] = "agent1", clusterName
	}
	s.configure(t, more)
	t.Cleanup(func() {
		s.kill()
		s.api.Close()
	})
	return s
}

func (s *sidecar) socket() string     { return filepath.Join(s.dir, "api.sock") }
func (s *sidecar) stateDir() string   { return filepath.Join(s.dir, "state") }
func (s *sidecar) configFile() string { return filepath.Join(s.dir, "sidecar.yaml") }

// configure changes settings and writes the file, in the JSON form of YAML. It
// is replaced as a whole, as an editor or a mount does.
func (s *sidecar) configure(t testing.TB, changes settings) {
	t.Helper()
	merge(s.config, changes)
	text, err := json.MarshalIndent(s.config, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	s.writeConfig(t, string(text)+"\n")
}

func (s *sidecar) writeConfig(t testing.TB, text string) {
	t.Helper()
	replaceFile(t, s.configFile(), text)
}

func replaceFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func merge(into, changes settings) {
	for key, value := range changes {
		inner, ok := value.(settings)
		if old, nested := into[key].(settings); ok && nested {
			old = maps.Clone(old)
			merge(old, inner)
			value = old
		}
		into[key] = value
	}
}

// launch starts the process and does not wait.
func (s *sidecar) launch(t testing.TB) {
	t.Helper()
	s.proc = startProcess(t, string(s.role), s.log, binary, "run", "--config", s.configFile())
}

// start starts the process and waits until its API answers, with or without a
// broker.
func (s *sidecar) start(t testing.TB) {
	t.Helper()
	s.launch(t)
	eventually(t, 20*time.Second, "the "+string(s.role)+" answers", func() error {
		if err := s.proc.ended(); err != nil {
			t.Fatal(err)
		}
		return s.api.Live(context.Background())
	})
}

// startReady starts the process and waits until it is connected, subscribed and
// has asked.
func (s *sidecar) startReady(t testing.TB) {
	t.Helper()
	s.start(t)
	s.waitReady(t)
}

func (s *sidecar) waitReady(t testing.TB) {
	t.Helper()
	eventually(t, patience, "the "+string(s.role)+" is ready", func() error { return s.api.Ready(context.Background()) })
}

// kill ends the process as a crash would.
func (s *sidecar) kill() {
	if s.proc != nil {
		s.proc.kill()
		s.proc = nil
	}
}

// terminate asks the process to end with SIGTERM; it must exit with 0.
func (s *sidecar) terminate(t testing.TB) (took time.Duration) {
	t.Helper()
	began := time.Now()
	s.proc.signal(t, syscall.SIGTERM)
	s.exitsWell(t)
	return time.Since(began)
}

func (s *sidecar) exitsWell(t testing.TB) {
	t.Helper()
	if code := s.proc.exits(t, 30*time.Second); code != 0 {
		t.Fatalf("the %s exited with %d:\n%s", s.role, code, tail(s.log))
	}
	s.proc = nil
}

func (s *sidecar) status(t testing.TB) *resource.Status {
	t.Helper()
	status, err := s.api.Status(context.Background())
	if err != nil {
		t.Fatalf("status of the %s: %v", s.role, err)
	}
	return status
}

// connectedAfter waits until the sidecar has been connected since after that
// time, and returns since when.
func (s *sidecar) connectedAfter(t testing.TB, after time.Time) (since time.Time) {
	t.Helper()
	eventually(t, patience, "the "+string(s.role)+" is connected again", func() error {
		c := s.status(t).Connection
		since = c.Since
		return expect(c.State == "connected" && c.Since.After(after), "it is %s since %s: %s", c.State, c.Since, c.LastError)
	})
	return since
}

// metric is the sum of the samples of that name whose labels hold the text.
func (s *sidecar) metric(t testing.TB, name, label string) float64 {
	t.Helper()
	var text bytes.Buffer
	if err := s.api.Metrics(context.Background(), &text); err != nil {
		t.Fatalf("metrics of the %s: %v", s.role, err)
	}
	sum := 0.0
	for line := range strings.Lines(text.String()) {
		if !strings.HasPrefix(line, name) || !strings.Contains(line, label) {
			continue
		}
		rest := line[len(name):]
		if rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		fields := strings.Fields(rest)
		value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			t.Fatalf("metric %q: %v", line, err)
		}
		sum += value
	}
	return sum
}

// waitLogged waits until the sidecar has logged a line that holds all texts.
func (s *sidecar) waitLogged(t testing.TB, texts ...string) {
	t.Helper()
	eventually(t, 10*time.Second, fmt.Sprintf("the %s logs %q", s.role, texts), func() error {
		data, err := os.ReadFile(s.log)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(data)) {
			if holdsAll(line, texts) {
				return nil
			}
		}
		return fmt.Errorf("no such line")
	})
}

func holdsAll(line string, texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(line, text) {
			return false
		}
	}
	return true
}
