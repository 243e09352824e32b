//go:build e2e

package e2e_test

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// examination is what doctor prints for programs.
type examination struct {
	OK     bool
	Checks []struct{ Check, Result, Detail string }
}

// doctor runs it; its exit code must fit what it says.
func doctor(t testing.TB, s *sidecar, args ...string) examination {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"doctor", "--config", s.configFile(), "-o", "json"}, args...)...)
	began := time.Now()
	out, err := cmd.Output()
	if took := time.Since(began); took > 13*time.Second {
		t.Errorf("it took %s", took)
	}
	var e examination
	if jsonErr := json.Unmarshal(out, &e); jsonErr != nil {
		t.Fatalf("%v: %v: %s", jsonErr, err, out)
	}
	if e.OK != (err == nil) {
		t.Errorf("it says ok: %v, and exits with %v", e.OK, err)
	}
	return e
}

// wants fails the test unless a check has that result and says that.
func (e examination) wants(t testing.TB, check, result, says string) {
	t.Helper()
	for _, c := range e.Checks {
		if c.Check == check && c.Result == result && strings.Contains(c.Detail, says) {
			return
		}
	}
	t.Errorf("there is no %s of %s that says %q: %+v", result, check, says, e.Checks)
}

// TestDoctorOfAHealthySidecar: all is well, and the session of the sidecar is
// not touched.
func TestDoctorOfAHealthySidecar(t *testing.T) {
	t.Parallel()
	w := newWorld(t, startBroker(t, mosquitto))
	since := w.source.status(t).Connection.Since
	for _, s := range []*sidecar{w.source, w.agent} {
		e := doctor(t, s)
		if !e.OK {
			t.Errorf("the %s: %+v", s.role, e.Checks)
		}
		e.wants(t, "ready", "OK", "connected to")
		e.wants(t, "broker connect", "OK", "-doctor-")
		e.wants(t, "broker subscribe", "OK", "allowed: ")
		e.wants(t, "state.dir", "OK", "mode 0700")
		e.wants(t, "disk", "OK", "MiB are free")
		e.wants(t, "clock", "OK", "")
	}
	if now := w.source.status(t).Connection.Since; !now.Equal(since) {
		t.Error("doctor threw the sidecar out")
	}
	out, code := command(t, "--socket", w.source.socket(), "doctor") // finds the configuration by itself
	if code != 0 || !strings.Contains(out, "OK") {
		t.Errorf("without --config: %d %s", code, out)
	}
}

// TestDoctorFindsFaults: each with its name and what to do.
func TestDoctorFindsFaults(t *testing.T) {
	t.Parallel()
	password := startBroker(t, mosquitto, "allow_anonymous false", "password_file "+passwords(t, "alice", "right"))
	authority := newAuthority(t)
	cert, key := authority.issue(t, "127.0.0.1")
	secured := startBroker(t, mosquitto, "certfile "+cert, "keyfile "+key)
	for name, story := range map[string]struct {
		broker              string
		mqtt                settings
		check, result, says string
	}{
		"nobody there":      {freeAddr(t), nil, "broker tcp", "FAIL", "check the port"},
		"no such name":      {"broker.invalid:1883", nil, "broker dns", "FAIL", "check the broker's name"},
		"wrong password":    {password.addr, settings{"username": "alice", "password": "wrong"}, "broker connect", "FAIL", "check user name and password"},
		"right password":    {password.addr, settings{"username": "alice", "password": "right"}, "broker connect", "OK", "accepted"},
		"unknown CA":        {"mqtts://" + secured.addr, nil, "broker tls", "FAIL", "mqtt.caFile"},
		"certificate ends":  {"mqtts://" + secured.addr, settings{"caFile": authority.file}, "broker tls", "WARN", "renew it"},
		"TLS on plain port": {"mqtts://" + password.addr, nil, "broker tls", "FAIL", "may not speak TLS"},
		"plain on TLS port": {secured.addr, nil, "broker connect", "FAIL", "TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSidecar(t, resource.Source, story.broker, settings{"mqtt": story.mqtt})
			e := doctor(t, s)
			e.wants(t, story.check, story.result, story.says)
			e.wants(t, "sidecar", "WARN", "is the sidecar running?")
			e.wants(t, "state.dir", "OK", "will be made")
			for _, c := range e.Checks {
				if strings.Contains(c.Detail, "wrong") {
					t.Errorf("it tells the password: %s", c.Detail)
				}
			}
		})
	}
}

// TestDoctorLooksAround: folder, socket and configuration.
func TestDoctorLooksAround(t *testing.T) {
	t.Parallel()
	s := newSidecar(t, resource.Source, freeAddr(t), nil)
	if err := os.Mkdir(s.stateDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.socket(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.stateDir(), "sidecar.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(s.stateDir(), "sidecar.db"), future, future); err != nil {
		t.Fatal(err)
	}
	e := doctor(t, s)
	e.wants(t, "state.dir", "WARN", "chmod o-rwx")
	e.wants(t, "socket", "FAIL", "is not a socket")
	e.wants(t, "clock", "WARN", "the clock went back")

	s.writeConfig(t, "role: source\nid: hub1\nkeepalive: 3\n")
	e = doctor(t, s)
	e.wants(t, "config", "FAIL", ":3: unknown key")
	e.wants(t, "config", "FAIL", "brokerHost")
}

// TestDoctorIsBounded: a broker that says nothing does not hold it up.
func TestDoctorIsBounded(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s := newSidecar(t, resource.Source, silent.Addr().String(), nil)
	began := time.Now()
	if e := doctor(t, s, "--timeout", "2s"); e.OK {
		t.Errorf("all is well: %+v", e.Checks)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}
