package config_test

import (
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/config"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/topics"
)

// wantDefaults are the defaults of docs/api.md, Configuration.
func wantDefaults() config.Config {
	return config.Config{
		Transport: "mqtt",
		DataTypes: []resource.DataType{"com.example.fleet.v1alpha1.devices"},
		MQTT: config.MQTT{
			Brokers:       []string{"broker.example.com:1883"},
			KeepAlive:     time.Minute,
			DialTimeout:   10 * time.Second,
			PubQoS:        1,
			SubQoS:        1,
			SessionExpiry: time.Hour,
		},
		State: config.State{Sync: true},
		API:   config.API{Socket: "/run/sidecar/sidecar.sock", SocketMode: 0o660},
		Queue: config.Queue{Retry: config.Retry{Initial: 5 * time.Millisecond, Max: 1000 * time.Second}},
		Reconnect: config.Reconnect{
			Initial: 100 * time.Millisecond, Max: time.Second, Factor: 2, Jitter: config.JitterFull,
			StableAfter: 10 * time.Second, SlowAfter: time.Minute, SlowMax: time.Minute,
		},
		Limits: config.Limits{MaxResourceBytes: 1048576, MaxWatchers: 1000},
		Resync: config.Resync{
			OnReconnect: true, Repeat: []time.Duration{5 * time.Second, 30 * time.Second},
			StatusEvery: time.Minute, SpecEvery: 5 * time.Minute, SpecEveryMax: 6 * time.Hour,
			Jitter: 0.2, MaxDeletes: 100,
		},
		ShutdownGrace: 20 * time.Second,
		Work:          config.Work{Enabled: true, MaxBytes: 512000},
		Log:           config.Log{Level: slog.LevelInfo, Format: config.FormatText},
	}
}

func wantAgent() config.Config {
	c := wantDefaults()
	c.Role, c.ID, c.Cluster = resource.Agent, "agent1", "cluster1"
	c.State.Dir, c.MQTT.ClientID = "/var/lib/sidecar/agent1", "agent1-client"
	c.MQTT.Topics = topics.Topics{
		SourceEvents:    "sources/+/clusters/cluster1/sourceevents",
		AgentEvents:     "sources/+/clusters/cluster1/agentevents",
		SourceBroadcast: "sources/+/sourcebroadcast",
		AgentBroadcast:  "clusters/cluster1/agentbroadcast",
	}
	return c
}

func wantSource() config.Config {
	c := wantDefaults()
	c.Role, c.ID = resource.Source, "hub1"
	c.State.Dir, c.MQTT.ClientID = "/var/lib/sidecar/hub1", "hub1-client"
	c.MQTT.Topics = topics.Topics{
		SourceEvents:    "sources/hub1/clusters/+/sourceevents",
		AgentEvents:     "sources/hub1/clusters/+/agentevents",
		SourceBroadcast: "sources/hub1/sourcebroadcast",
		AgentBroadcast:  "clusters/+/agentbroadcast",
	}
	return c
}

// checkFields compares field by field, so that a failure names the field.
func checkFields(t *testing.T, got *config.Config, want config.Config) {
	t.Helper()
	g, w := reflect.ValueOf(*got), reflect.ValueOf(want)
	for _, field := range reflect.VisibleFields(g.Type()) {
		if !field.IsExported() {
			continue
		}
		a, b := g.FieldByIndex(field.Index), w.FieldByIndex(field.Index)
		if a.Kind() == reflect.Slice && a.Len()+b.Len() == 0 {
			continue
		}
		if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			t.Errorf("%s:\n got %+v\nwant %+v", field.Name, a.Interface(), b.Interface())
		}
	}
}

func TestDefaults(t *testing.T) {
	t.Run("source", func(t *testing.T) { checkFields(t, load(t, minimal), wantSource()) })
	t.Run("agent", func(t *testing.T) {
		agent := strings.NewReplacer("role: source", "role: agent", "id: hub1", "id: agent1\ncluster: cluster1").Replace(minimal)
		checkFields(t, load(t, agent), wantAgent())
	})
}

// The example has every key and, but for what is required, says nothing new.
func TestExampleIsComplete(t *testing.T) {
	data, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := config.Parse("full.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	got.API.AllowedUIDs = nil // an empty list, as by default
	checkFields(t, got, wantAgent())
	written := writtenKeys(string(data))
	for _, key := range config.Keys() {
		if !slices.Contains(written, key) {
			t.Errorf("testdata/full.yaml has no %s", key)
		}
	}
}

// writtenKeys are the paths of the keys in a file indented by two blanks.
func writtenKeys(text string) []string {
	var path, keys []string
	for line := range strings.Lines(text) {
		key, _, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok || strings.HasPrefix(key, "#") {
			continue
		}
		depth := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		path = append(path[:depth], key)
		keys = append(keys, strings.Join(path, "."))
	}
	return keys
}

// What is empty stands for the default, as the keys with nothing beneath them
// in docs/api.md do.
func TestEmptyKeepsDefaults(t *testing.T) {
	empty := minimal + "cluster: \"\"\nstate: {dir: \"\", sync: }\napi:\nqueue:\n  retry:\nreconnect: {}\nlog: ~\nhandlers:\n"
	checkFields(t, load(t, empty), wantSource())
}

func TestEveryValueIsTaken(t *testing.T) {
	t.Setenv("TEST_ID", "hub9")
	got := load(t, `
role: source
id: ${TEST_ID}
dataTypes: [a.v1.b, a.v1.c]
mqtt:
  brokerHosts: [one:1883, 'mqtts://two', 'wss://three/mqtt', "[::1]:1884"]
  username: user
  password: $${TEST_ID}
  clientID: other
  keepAlive: 7
  dialTimeout: 1500ms
  pubQoS: 2
  subQoS: 2
  sessionExpiry: 0
  topics:
    sourceEvents: sources/hub9/consumers/+/sourceevents
    agentEvents: $share/group/sources/hub9/consumers/+/agentevents
state: {dir: /state, sync: false}
api: {socket: /s, socketMode: "0600", allowedUIDs: [0, 1000]}
queue: {retry: {initial: 1s, max: 1s}, retryMax: 7}
reconnect: {initial: 1s, max: 2s, factor: 1.5, jitter: none, stableAfter: 3s, slowAfter: 4s, slowMax: 5s}
limits: {publishQPS: 2.5, maxResourceBytes: 2Ki, maxPacketBytes: 262144, maxWatchers: 3}
resync: {onReconnect: false, repeat: [], statusEvery: 2m, specEvery: 3m, specEveryMax: 4m, jitter: 0, maxDeletes: 0}
shutdownGrace: 0
work: {enabled: false, maxBytes: 1Ki}
log: {level: debug, format: json}
`)
	want := config.Config{
		Role: resource.Source, ID: "hub9", Transport: "mqtt",
		DataTypes: []resource.DataType{"a.v1.b", "a.v1.c"},
		MQTT: config.MQTT{
			Brokers:  []string{"one:1883", "mqtts://two:8883", "wss://three:443/mqtt", "[::1]:1884"},
			Username: "user", Password: "${TEST_ID}", ClientID: "other",
			KeepAlive: 7 * time.Second, DialTimeout: 1500 * time.Millisecond, PubQoS: 2, SubQoS: 2,
			Topics: topics.Topics{
				SourceEvents: "sources/hub9/consumers/+/sourceevents",
				AgentEvents:  "$share/group/sources/hub9/consumers/+/agentevents",
			},
		},
		State: config.State{Dir: "/state"},
		API:   config.API{Socket: "/s", SocketMode: 0o600, AllowedUIDs: []uint32{0, 1000}},
		Queue: config.Queue{Retry: config.Retry{Initial: time.Second, Max: time.Second}, RetryMax: 7},
		Reconnect: config.Reconnect{
			Initial: time.Second, Max: 2 * time.Second, Factor: 1.5, Jitter: config.JitterNone,
			StableAfter: 3 * time.Second, SlowAfter: 4 * time.Second, SlowMax: 5 * time.Second,
		},
		Limits: config.Limits{PublishQPS: 2.5, PublishBurst: 3, MaxResourceBytes: 2048, MaxPacketBytes: 262144, MaxWatchers: 3},
		Resync: config.Resync{StatusEvery: 2 * time.Minute, SpecEvery: 3 * time.Minute, SpecEveryMax: 4 * time.Minute},
		Work:   config.Work{MaxBytes: 1024},
		Log:    config.Log{Level: slog.LevelDebug, Format: config.FormatJSON},
	}
	checkFields(t, got, want)
}

func TestSizesAreQuantities(t *testing.T) {
	for text, want := range map[string]int64{
		"1Mi": 1 << 20, "1.5Mi": 3 << 19, "0.5": 1, "1500m": 2, "1e3": 1000, "2.5k": 2500, "0": 0, "262144": 262144,
	} {
		c := load(t, minimal+"limits: {maxResourceBytes: "+text+"}\n")
		if got := c.Limits.MaxResourceBytes; got != want {
			t.Errorf("%s is %d bytes, want %d", text, got, want)
		}
	}
	for _, text := range []string{"-1", "-0.5", "1MB", "1Gi", "9e99", "268435455.5"} {
		if _, err := config.Parse("c.yaml", []byte(minimal+"limits: {maxResourceBytes: "+text+"}\n")); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}
