package harness

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// SidecarBinary is the built sidecar, from the environment variable
// SIDECAR_BIN; without it the test fails.
func SidecarBinary(t testing.TB) string {
	t.Helper()
	path := os.Getenv("SIDECAR_BIN")
	if path == "" {
		t.Fatal("SIDECAR_BIN is not set: it is the absolute path of the built sidecar (make interop builds one and sets it)")
	}
	if info, err := os.Stat(path); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		t.Fatalf("SIDECAR_BIN=%s is not a program: build the sidecar first (make interop)", path)
	}
	return path
}

// SidecarConfig is what differs between the sidecars of the stories.
type SidecarConfig struct {
	Role      string // "source" or "agent"
	ID        string
	Cluster   string // of an agent
	DataTypes []string
	Topics    *Topics // nil: the sidecar's own defaults
	// SDKFile hands broker and topics to the sidecar in a file of the SDK's
	// own form (mqtt.configFile) instead of in its own keys.
	SDKFile bool
	// SessionExpiry of the MQTT session: "0s" is a clean start at every
	// connect, as the SDK does; empty is the sidecar's default.
	SessionExpiry string
	// Works enables the ManifestWork side; without it works are a data type
	// like any other.
	Works bool
}

// Sidecar is a sidecar process with its state, socket and configuration.
type Sidecar struct {
	Config SidecarConfig
	API    *API
	dir    string
	log    string
	proc   *process
}

// NewSidecar prepares a sidecar; Start starts it.
func NewSidecar(t testing.TB, config SidecarConfig) *Sidecar {
	t.Helper()
	dir := tempDir(t)
	s := &Sidecar{Config: config, dir: dir, log: logFile(t, dir, config.Role+"-sidecar")}
	s.API = newAPI(s.Socket())
	t.Cleanup(s.Kill)
	return s
}

// Start starts the process against a broker address and waits until it is
// ready: connected, subscribed, and its resync requests taken by the broker.
func (s *Sidecar) Start(t testing.TB, broker string) {
	t.Helper()
	config := s.writeConfig(t, broker)
	proc, err := startProcess(s.Config.Role+" sidecar", s.log, SidecarBinary(t), "run", "--config", config)
	if err != nil {
		t.Fatal(err)
	}
	s.proc = proc
	Eventually(t, Patience, "the "+s.Config.Role+" sidecar is ready", func() error {
		if err := proc.ended(); err != nil {
			t.Fatal(err)
		}
		return s.API.Ready()
	})
}

// Stop ends the process in an orderly way. In a test that has failed it first
// tells what the sidecar says of itself.
func (s *Sidecar) Stop(t testing.TB) {
	t.Helper()
	if s.proc == nil {
		return
	}
	if t.Failed() {
		t.Logf("the %s sidecar says:\n%s", s.Config.Role, s.API.Report())
	}
	proc := s.proc
	s.proc = nil
	if err := proc.terminate(Patience); err != nil {
		t.Error(err)
	}
}

// Kill ends the process as a crash would.
func (s *Sidecar) Kill() {
	if s.proc != nil {
		s.proc.kill()
		s.proc = nil
	}
}

// Wipe removes all state of a sidecar that is not running.
func (s *Sidecar) Wipe(t testing.TB) {
	t.Helper()
	if err := os.RemoveAll(s.stateDir()); err != nil {
		t.Fatal(err)
	}
}

// Socket is the path of its local API.
func (s *Sidecar) Socket() string { return filepath.Join(s.dir, "api.sock") }

// PID is that of the process; 0 if it does not run.
func (s *Sidecar) PID() int {
	if s.proc == nil {
		return 0
	}
	return s.proc.cmd.Process.Pid
}

func (s *Sidecar) stateDir() string { return filepath.Join(s.dir, "state") }

// writeConfig writes the file that docs/api.md, Configuration, describes. It
// is YAML in its JSON form.
func (s *Sidecar) writeConfig(t testing.TB, broker string) string {
	t.Helper()
	file := map[string]any{
		"role":      s.Config.Role,
		"id":        s.Config.ID,
		"dataTypes": s.Config.DataTypes,
		"mqtt":      s.mqttConfig(t, broker),
		"state":     map[string]any{"dir": s.stateDir(), "sync": false},
		"api":       map[string]any{"socket": s.Socket()},
		"work":      map[string]any{"enabled": s.Config.Works},
		"log":       map[string]any{"level": "debug"},
	}
	if s.Config.Cluster != "" {
		file["cluster"] = s.Config.Cluster
	}
	return s.writeFile(t, "sidecar.yaml", file)
}

func (s *Sidecar) mqttConfig(t testing.TB, broker string) map[string]any {
	t.Helper()
	mqtt := map[string]any{"brokerHost": broker}
	if s.Config.Topics != nil {
		mqtt["topics"] = s.Config.Topics
	}
	if s.Config.SDKFile {
		mqtt = map[string]any{"configFile": s.writeFile(t, "sdk-mqtt.yaml", mqtt)}
	}
	if s.Config.SessionExpiry != "" {
		mqtt["sessionExpiry"] = s.Config.SessionExpiry
	}
	return mqtt
}

func (s *Sidecar) writeFile(t testing.TB, name string, value any) string {
	t.Helper()
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
