package config_test

import (
	"testing"

	"github.com/pillion-dev/pillion/pkg/topics"
)

// With any topic written, broadcasts are those that are written: an SDK user
// who leaves them out means that there are none.
func TestPartialTopics(t *testing.T) {
	const agent = "role: agent\nid: a\ncluster: c1\ndataTypes: [a.v1.b]\nmqtt:\n  brokerHost: b:1\n"
	for name, test := range map[string]struct {
		written string
		want    topics.Topics
	}{
		"none": {"", topics.Defaults("agent", "a", "c1")},
		"empty ones": {
			"  topics: {sourceEvents: \"\", sourceBroadcast: \"\"}\n",
			topics.Defaults("agent", "a", "c1"),
		},
		"one event topic": {
			"  topics: {sourceEvents: sources/+/consumers/c1/sourceevents}\n",
			topics.Topics{SourceEvents: "sources/+/consumers/c1/sourceevents", AgentEvents: "sources/+/clusters/c1/agentevents"},
		},
		"one broadcast": {
			"  topics: {sourceBroadcast: sources/+/sourcebroadcast}\n",
			topics.Topics{
				SourceEvents: "sources/+/clusters/c1/sourceevents", AgentEvents: "sources/+/clusters/c1/agentevents",
				SourceBroadcast: "sources/+/sourcebroadcast",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := load(t, agent+test.written).MQTT.Topics; got != test.want {
				t.Errorf("\n got %+v\nwant %+v", got, test.want)
			}
		})
	}
}
