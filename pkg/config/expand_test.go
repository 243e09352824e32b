package config_test

import "testing"

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
