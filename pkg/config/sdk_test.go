package config_test

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/config"
	"github.com/pillion-dev/pillion/pkg/topics"
)

// withSDK is a source whose mqtt section is the SDK file with that content,
// and the keys given beside it.
func withSDK(t *testing.T, sdk, beside string) (c *config.Config, sdkFile string, err error) {
	t.Helper()
	folder := t.TempDir()
	sdkFile = write(t, folder, "mqtt.yaml", sdk)
	text := fmt.Sprintf("role: source\nid: hub1\ndataTypes: [a.v1.b]\nmqtt:\n  configFile: %s\n%s", sdkFile, beside)
	c, err = config.Load(write(t, folder, "config.yaml", text))
	return c, sdkFile, err
}

func TestSDKFile(t *testing.T) {
	cert, _ := keyPair(t)
	ca := base64.StdEncoding.EncodeToString([]byte(cert))
	events := topics.Topics{
		SourceEvents: "sources/hub1/clusters/+/sourceevents",
		AgentEvents:  "sources/hub1/clusters/+/agentevents",
	}
	for name, test := range map[string]struct {
		sdk, beside string
		want        func(*config.MQTT)
		warnings    []string
	}{
		"YAML": {
			sdk: "brokerHost: b:1\nkeepAlive: 30\ndialTimeout: 10m\npubQoS: 2\nsubQoS: 2\n" +
				"topics:\n  sourceEvents: sources/hub1/clusters/+/sourceevents\n  agentEvents: sources/hub1/clusters/+/agentevents\n",
			want: func(m *config.MQTT) {
				m.KeepAlive, m.DialTimeout, m.PubQoS, m.SubQoS = 30*time.Second, 10*time.Minute, 2, 2
				m.Topics = events
			},
		},
		"JSON with tabs": {
			sdk: "{\n\t\"brokerHost\": \"b:1\",\n\t\"topics\": {\n\t\t\"sourceEvents\": \"sources/hub1/clusters/+/sourceevents\",\n" +
				"\t\t\"agentEvents\": \"sources/hub1/clusters/+/agentevents\",\n\t\t\"sourceBroadcast\": \"sources/hub1/sourcebroadcast\"\n\t}\n}\n",
			want: func(m *config.MQTT) {
				m.Topics = events
				m.Topics.SourceBroadcast = "sources/hub1/sourcebroadcast"
			},
		},
		"broker of published examples": {
			sdk:  "broker: b:1\n",
			want: func(*config.MQTT) {},
		},
		"what the SDK's reader takes": {
			sdk: "brokerHost: b:1\nusername: 12345\npassword: true\ndialTimeout: 5000000000\nkeepAlive: 0x10\n",
			want: func(m *config.MQTT) {
				m.Username, m.Password = "12345", "true"
				m.DialTimeout, m.KeepAlive = 5*time.Second, 16*time.Second
			},
		},
		"variables stay as they are": {
			sdk:  "brokerHost: b:1\npassword: ${HOME}$$\n",
			want: func(m *config.MQTT) { m.Password = "${HOME}$$" },
		},
		"remarks": {
			sdk:  "brokerHost: b:1\nbroker: c:1\npubQoS: 0\nsubQoS: 0\nuserName: x\nclientID: y\nbrokerHost: b:1\ntopics: {agentEvent: z}\n",
			want: func(m *config.MQTT) { m.SubQoS = 1 },
			warnings: []string{
				`7: key "brokerHost" is written twice: the one on this line counts`,
				"2: broker is left out, as brokerHost says it",
				`5: unknown key "userName" is left out, as the SDK does: did you mean "username"?`,
				`6: unknown key "clientID" is left out, as the SDK does`,
				`8: unknown key "agentEvent" is left out, as the SDK does: did you mean "agentEvents"?`,
				"3: pubQoS 0 is raised to 1: at 0 nobody says what has arrived",
				"4: subQoS 0 is raised to 1: at 0 what arrives while the sidecar is away is lost",
			},
		},
		"keys beside it override": {
			sdk: "brokerHost: x:1\nusername: x\npassword: x\nkeepAlive: 1\ncaFile: /not/there\n" +
				"topics: {sourceEvents: sources/x/clusters/+/sourceevents, agentEvents: sources/hub1/clusters/+/agentevents}\n",
			beside: "  brokerHosts: [b:1]\n  username: ours\n  password: ours\n  keepAlive: 2\n  caData: " + ca + "\n" +
				"  topics: {sourceEvents: sources/hub1/clusters/+/sourceevents}\n",
			want: func(m *config.MQTT) {
				m.Username, m.Password, m.KeepAlive = "ours", "ours", 2*time.Second
				m.CAData = []byte(cert)
				m.Topics = events
			},
		},
		"empty keys beside it do not": {
			sdk:    "brokerHost: b:1\nusername: theirs\n",
			beside: "  brokerHost: \"\"\n  brokerHosts: []\n  username: \"\"\n  topics:\n",
			want:   func(m *config.MQTT) { m.Username = "theirs" },
		},
		"empty file": {beside: "  broker: b:1\n", want: func(*config.MQTT) {}},
	} {
		t.Run(name, func(t *testing.T) {
			got, sdkFile, err := withSDK(t, test.sdk, test.beside)
			if err != nil {
				t.Fatal(err)
			}
			want := wantSource()
			want.DataTypes = got.DataTypes
			want.MQTT.ConfigFile, want.MQTT.Brokers = sdkFile, []string{"b:1"}
			test.want(&want.MQTT)
			for _, warning := range test.warnings {
				want.Warnings = append(want.Warnings, sdkFile+":"+warning)
			}
			checkFields(t, got, want)
			if !slices.Contains(got.Files(), sdkFile) {
				t.Errorf("Files: %v", got.Files())
			}
		})
	}
}

// Faults have the SDK file's name and line, also where only the whole
// configuration shows them.
func TestBadSDKFile(t *testing.T) {
	for name, test := range map[string]struct {
		sdk  string
		want []string // from the SDK file
	}{
		"types":  {"brokerHost: [b]\nkeepAlive: often\n", []string{"1: mqtt.brokerHost: must be a single value, not a list", `2: mqtt.keepAlive: is in seconds: must be a whole number from 0 to 65535 without quotes, not "often"`}},
		"broker": {"keepAlive: 1\nbroker: b\n", []string{"2: mqtt.broker: must end in :port, such as broker.example.com:1883, with a port from 1 to 65535"}},
		"topics": {"brokerHost: b:1\ntopics:\n  sourceEvents: x\n", []string{"3: mqtt.topics.sourceEvents: is not <root>/<source or +>/<root>/<cluster or +>/sourceevents: write sources/hub1/clusters/+/sourceevents"}},
		"syntax": {"brokerHost: \"b\n", []string{"1: YAML: could not find end character of double-quoted text"}},
		"text":   {"hello\n", []string{"1: must be a mapping of keys, not a single value"}},
		"key":    {"brokerHost: b:1\nclientCertFile: " + "testdata/full.yaml\n", []string{"2: mqtt.clientCertFile: needs mqtt.clientKeyFile or mqtt.clientKeyData beside it"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, sdkFile, err := withSDK(t, test.sdk, "")
			if err == nil {
				t.Fatal("no error")
			}
			want := make([]string, len(test.want))
			for i, line := range test.want {
				want[i] = sdkFile + ":" + line
			}
			if got := strings.Split(err.Error(), "\n"); !slices.Equal(got, want) {
				t.Errorf("\n got %q\nwant %q", got, want)
			}
		})
	}
}

func TestMissingSDKFile(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	got := faults(t, "role: source\nid: hub1\ndataTypes: [a.v1.b]\nmqtt:\n  configFile: "+none+"\n")
	if want := []string{"c.yaml:5: mqtt.configFile: " + none + ": no such file or directory"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
