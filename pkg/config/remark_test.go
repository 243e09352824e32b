package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/config"
)

func TestWarnings(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"cluster of a source": {"cluster: c1\n", "c.yaml:5: cluster is left out: a source serves every cluster"},
		"QoS":                 {"qos", "c.yaml:3: pubQoS 0 is raised to 1: at 0 nobody says what has arrived"},
		"plain scheme":        {"ca", "c.yaml:3: with a CA or a client certificate every connection uses TLS: write mqtts:// or wss://"},
		"anyone's socket":     {"api:\n  socketMode: \"0666\"\n", "c.yaml:6: every user may use the local API: take away the last digit's rights, or name the users in api.allowedUIDs"},
		"users named":         {"api: {socketMode: \"0666\", allowedUIDs: [0]}\n", ""},
		"nothing":             {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := minimal + test.text
			switch test.text {
			case "qos":
				text = strings.Replace(minimal, "mqtt: {", "mqtt: {pubQoS: 0, ", 1)
			case "ca":
				cert, _ := keyPair(t)
				text = strings.Replace(minimal, "mqtt: {brokerHost: ", "mqtt: {caFile: "+write(t, t.TempDir(), "ca", cert)+", brokerHost: mqtt://", 1)
			}
			c, err := config.Parse("c.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			if test.want != "" {
				want = []string{test.want}
			}
			if !slices.Equal(c.Warnings, want) {
				t.Errorf("got %q, want %q", c.Warnings, want)
			}
		})
	}
}

// Anchors and merge keys are plain YAML and work in every section.
func TestAnchors(t *testing.T) {
	c := load(t, minimal+`queue:
  retry: &delays {initial: 1s, max: 2s}
reconnect:
  <<: *delays
  max: 3s
  factor: &two 2
resync: {maxDeletes: *two, repeat: &again [1s, 2s]}
`)
	if c.Queue.Retry.Initial != c.Reconnect.Initial || c.Reconnect.Max.Seconds() != 3 || c.Resync.MaxDeletes != 2 {
		t.Errorf("got %+v %+v %+v", c.Queue, c.Reconnect, c.Resync)
	}
}

func TestByteOrderMarkAndCRLF(t *testing.T) {
	text := "\ufeff" + strings.ReplaceAll(minimal, "\n", "\r\n")
	checkFields(t, load(t, text), wantSource())
	if got := faults(t, text+"\r\nwrong: 1\r\n"); !slices.Equal(got, []string{`c.yaml:6: unknown key "wrong"`}) {
		t.Errorf("got %q", got)
	}
}
