package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/config"
)

func TestOnlyVariablesAndTheirEscapesAreReplaced(t *testing.T) {
	t.Setenv("TEST_NAME", "va$$lue${X}")
	for written, want := range map[string]string{
		"pa$$word":              "pa$$word",
		"$$$$":                  "$$$$",
		"$share/g/a":            "$share/g/a",
		"a$":                    "a$",
		"${TEST_NAME}":          "va$$lue${X}",
		"<${TEST_NAME}>$":       "<va$$lue${X}>$",
		"$${TEST_NAME}":         "${TEST_NAME}",
		"$$${TEST_NAME}":        "$${TEST_NAME}",
		"$${":                   "${",
		"$${${TEST_NAME}$$${a}": "${va$$lue${X}$${a}",
	} {
		c := load(t, "role: source\nid: hub1\nmqtt: {brokerHost: 'b:1', password: '"+written+"'}\ndataTypes: [a.v1.b]\n")
		if got := string(c.MQTT.Password); got != want {
			t.Errorf("%s: got %s, want %s", written, got, want)
		}
	}
}

// FuzzExpand holds the replacing of variables against a reader that goes from
// character to character.
func FuzzExpand(f *testing.F) {
	for _, seed := range []string{"$", "$$", "$${", "${V}", "$${V}", "$$${V}", "${V", "${}", "${1}", "${_}", "a${V}b${V}$"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		t.Setenv("V", "$${V}")
		want, ok := slowExpand(text)
		got, err := config.Expand(text)
		if (err == nil) != ok || err == nil && got != want {
			t.Errorf("%q: got %q, %v; want %q, %t", text, got, err, want, ok)
		}
	})
}

func slowExpand(text string) (expanded string, ok bool) {
	for text != "" {
		switch {
		case strings.HasPrefix(text, "$${"):
			expanded, text = expanded+"${", text[3:]
		case strings.HasPrefix(text, "${"):
			name, rest, closed := strings.Cut(text[2:], "}")
			value, set := os.LookupEnv(name)
			if !closed || !set {
				return "", false
			}
			expanded, text = expanded+value, rest
		default:
			expanded, text = expanded+text[:1], text[1:]
		}
	}
	return expanded, true
}
