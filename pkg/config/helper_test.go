package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pillion-dev/pillion/pkg/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// minimal is the least that a source needs.
const minimal = `role: source
id: hub1
mqtt: {brokerHost: broker.example.com:1883}
dataTypes: [com.example.fleet.v1alpha1.devices]
`

// write puts a file into a folder and returns its path.
func write(t *testing.T, folder, name, content string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// load is the configuration in content, which must be valid.
func load(t *testing.T, content string) *config.Config {
	t.Helper()
	c, err := config.Load(write(t, t.TempDir(), "config.yaml", content))
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

// faults are the lines of the error of a configuration named c.yaml.
func faults(t *testing.T, content string) []string {
	t.Helper()
	c, err := config.Parse("c.yaml", []byte(content))
	if err == nil {
		return nil
	}
	if c != nil {
		t.Error("a configuration came with the error")
	}
	return strings.Split(err.Error(), "\n")
}
