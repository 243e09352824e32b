package manifests_test

import (
	"os"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/config"
)

// unit is the settings of a systemd unit, the last of each name.
func unit(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			settings[name] = value
		}
	}
	return settings
}

// The units are for the defaults of the configuration.
func TestUnitsFitTheConfiguration(t *testing.T) {
	c, err := config.Parse("config.yaml", []byte("role: source\nid: hub1\nmqtt: {brokerHost: \"b:1\"}\ndataTypes: [a.v1.b]\n"))
	if err != nil {
		t.Fatal(err)
	}
	service, socket := unit(t, "systemd/sidecar.service"), unit(t, "systemd/sidecar.socket")
	if got := socket["ListenStream"]; got != c.API.Socket {
		t.Errorf("the unit's socket is %s, the configuration's %s", got, c.API.Socket)
	}
	if "/run/"+service["RuntimeDirectory"]+"/sidecar.sock" != c.API.Socket || !strings.HasPrefix(c.State.Dir, "/var/lib/"+service["StateDirectory"]) {
		t.Errorf("folders %s and %s are not those of %s and %s", service["RuntimeDirectory"], service["StateDirectory"], c.API.Socket, c.State.Dir)
	}
	if service["Type"] != "notify" || service["WatchdogSec"] == "" || service["User"] == "" {
		t.Errorf("type %q, watchdog %q, user %q", service["Type"], service["WatchdogSec"], service["User"])
	}
}
