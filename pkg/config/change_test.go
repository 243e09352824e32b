package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/config"
	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestImmutable(t *testing.T) {
	old := load(t, minimal)
	if err := config.Immutable(old, load(t, minimal+"shutdownGrace: 1s\n")); err != nil {
		t.Errorf("a change that is allowed: %v", err)
	}
	next, err := config.Parse("c.yaml", []byte(`role: agent
id: agent1
cluster: cluster1
mqtt: {brokerHost: "b:1"}
dataTypes: [a.v1.b]
api: {socket: /other}
`))
	if err != nil {
		t.Fatal(err)
	}
	const want = `c.yaml: cannot change while the sidecar runs: role ("source", not "agent"), id ("hub1", not "agent1"), ` +
		`cluster ("", not "cluster1"), state.dir ("/var/lib/sidecar/hub1", not "/var/lib/sidecar/agent1"), ` +
		`api.socket ("/run/sidecar/sidecar.sock", not "/other"): put it back, or restart the sidecar`
	if err := config.Immutable(old, next); err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
}

// Values are told as a file has them.
func TestImmutableShowsWhatIsWritten(t *testing.T) {
	next := load(t, minimal+"state: {sync: false}\napi: {socketMode: \"0600\"}\nlog: {format: json}\n")
	const want = `state.sync (true, not false), api.socketMode ("0660", not "0600"), log.format ("text", not "json"): put it back`
	if err := config.Immutable(load(t, minimal), next); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
}

func TestNeedsReconnect(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*config.Config)
		want   bool
	}{
		"nothing":         {func(*config.Config) {}, false},
		"brokers":         {func(c *config.Config) { c.MQTT.Brokers = []string{"other:1883"} }, true},
		"user name":       {func(c *config.Config) { c.MQTT.Username = "x" }, true},
		"password":        {func(c *config.Config) { c.MQTT.Password = "x" }, true},
		"CA":              {func(c *config.Config) { c.MQTT.CAData = []byte("x") }, true},
		"certificate":     {func(c *config.Config) { c.MQTT.ClientCertData = []byte("x") }, true},
		"key":             {func(c *config.Config) { c.MQTT.ClientKeyData = []byte("x") }, true},
		"client id":       {func(c *config.Config) { c.MQTT.ClientID = "x" }, true},
		"keep alive":      {func(c *config.Config) { c.MQTT.KeepAlive = time.Second }, true},
		"QoS":             {func(c *config.Config) { c.MQTT.SubQoS = 2 }, true},
		"session expiry":  {func(c *config.Config) { c.MQTT.SessionExpiry = 0 }, true},
		"topics":          {func(c *config.Config) { c.MQTT.Topics.AgentBroadcast = "" }, true},
		"identity":        {func(c *config.Config) { c.ID = "other" }, true},
		"names of files":  {func(c *config.Config) { c.MQTT.PasswordFile, c.MQTT.CAFile, c.MQTT.ConfigFile = "a", "b", "c" }, false},
		"dial timeout":    {func(c *config.Config) { c.MQTT.DialTimeout = time.Hour }, false},
		"data types":      {func(c *config.Config) { c.DataTypes = []resource.DataType{"a.v1.b"} }, false},
		"limits":          {func(c *config.Config) { c.Limits.PublishQPS = 1 }, false},
		"log and resync":  {func(c *config.Config) { c.Log.Level, c.Resync.Repeat = 4, nil }, false},
		"waits and queue": {func(c *config.Config) { c.Reconnect.Max, c.Queue.RetryMax = time.Hour, 3 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			old := load(t, minimal)
			next := *old
			test.change(&next)
			if got := config.NeedsReconnect(old, &next); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}
