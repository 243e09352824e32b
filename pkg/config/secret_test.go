package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/config"
)

const hidden = "hunter2"

// secretConfig is a configuration with the secret wherever one can be.
func secretConfig() config.Config {
	return config.Config{MQTT: config.MQTT{Password: hidden, ClientKeyData: config.SecretBytes(hidden)}}
}

func TestSecretsDoNotPrint(t *testing.T) {
	c := secretConfig()
	var printed bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10s"} {
		fmt.Fprintf(&printed, verb+"\n", c)
		fmt.Fprintf(&printed, verb+"\n", &c)
		fmt.Fprintf(&printed, verb+verb+"\n", c.MQTT.Password, c.MQTT.ClientKeyData)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&printed, nil), slog.NewJSONHandler(&printed, nil)} {
		slog.New(handler).Info("x", "config", c, "pointer", &c, "password", c.MQTT.Password, "key", c.MQTT.ClientKeyData)
	}
	if err := json.NewEncoder(&printed).Encode(c); err != nil {
		t.Fatal(err)
	}
	forms := []string{
		hidden, fmt.Sprintf("%x", hidden), fmt.Sprintf("%X", hidden),
		strings.Trim(fmt.Sprint([]byte(hidden)), "[]"), "aHVudGVyMg",
	}
	for _, form := range forms {
		if strings.Contains(printed.String(), form) {
			t.Errorf("printed as %s", form)
		}
	}
	if !strings.Contains(printed.String(), "[redacted]") {
		t.Error("nothing is marked as redacted")
	}
}

// Whatever is wrong with a file, the error holds no value of its secret keys,
// and nothing from the environment.
func TestErrorsHoldNoSecrets(t *testing.T) {
	t.Setenv("HIDDEN", hidden)
	for _, line := range []string{
		"password: [hunter2]",
		"password: {x: hunter2}",
		"password: *hunter2",
		"password: !hunter2 x",
		"password: \"hunter2",
		"password: hunter2: x",
		"password: \"\\qhunter2\"",
		"password: @hunter2",
		"password: |hunter2",
		"clientKeyData: hunter2!",
		"brokerHost: mqtt://user:hunter2@broker:1883",
		"brokerHost: mqtt://user:hunter2@broker:port",
		"brokerHost: ${HIDDEN}",
		"username: \"${HIDDEN}\\n\"",
		"keepAlive: ${HIDDEN}",
		"sessionExpiry: ${HIDDEN}",
		"pubQoS: ${HIDDEN}",
		"caData: ${HIDDEN}!",
		"topics: {sourceEvents: \"${HIDDEN}\"}",
	} {
		got := faults(t, "role: source\nid: hub1\nmqtt:\n  "+line+"\n")
		if len(got) == 0 {
			t.Errorf("%s: no error", line)
		}
		if strings.Contains(strings.Join(got, "\n"), hidden) {
			t.Errorf("%s: %v", line, got)
		}
	}
}
