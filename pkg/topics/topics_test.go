package topics_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/topics"
)

// The settings of a work agent of SDK v1.2.0, which knows one source and has
// no agentBroadcast.
var workAgent = topics.Topics{
	SourceEvents:    "sources/mw1/clusters/+/sourceevents",
	AgentEvents:     "sources/mw1/clusters/+/agentevents",
	SourceBroadcast: "sources/+/sourcebroadcast",
}

func TestDefaults(t *testing.T) {
	source := topics.Topics{
		SourceEvents:    "sources/hub1/clusters/+/sourceevents",
		AgentEvents:     "sources/hub1/clusters/+/agentevents",
		SourceBroadcast: "sources/hub1/sourcebroadcast",
		AgentBroadcast:  "clusters/+/agentbroadcast",
	}
	if got := topics.Defaults(resource.Source, "hub1", ""); got != source {
		t.Errorf("source: %+v", got)
	}
	agent := topics.Topics{
		SourceEvents:    "sources/+/clusters/cluster1/sourceevents",
		AgentEvents:     "sources/+/clusters/cluster1/agentevents",
		SourceBroadcast: "sources/+/sourcebroadcast",
		AgentBroadcast:  "clusters/cluster1/agentbroadcast",
	}
	if got := topics.Defaults(resource.Agent, "agent1", "cluster1"); got != agent {
		t.Errorf("agent: %+v", got)
	}
}

// The filters that SDK clients with these settings subscribe to.
func TestSubscriptions(t *testing.T) {
	for name, c := range map[string]struct {
		topics      topics.Topics
		role        resource.Role
		id, cluster string
		want        []string
	}{
		"source":       {topics.Defaults(resource.Source, "hub1", ""), resource.Source, "hub1", "", []string{"sources/hub1/clusters/+/agentevents", "clusters/+/agentbroadcast"}},
		"agent":        {topics.Defaults(resource.Agent, "a", "cluster1"), resource.Agent, "a", "cluster1", []string{"sources/+/clusters/cluster1/sourceevents", "sources/+/sourcebroadcast"}},
		"work agent":   {workAgent, resource.Agent, "a", "cluster2", []string{"sources/mw1/clusters/cluster2/sourceevents", "sources/+/sourcebroadcast"}},
		"no broadcast": {topics.Topics{AgentEvents: "sources/mw1/clusters/+/agentevents"}, resource.Source, "mw1", "", []string{"sources/mw1/clusters/+/agentevents"}},
		"shared":       {topics.Topics{AgentEvents: "$share/g/sources/mw1/clusters/+/agentevents"}, resource.Source, "mw1", "", []string{"$share/g/sources/mw1/clusters/+/agentevents"}},
		"shared agent": {topics.Topics{SourceEvents: "$share/g/sources/+/consumers/+/sourceevents"}, resource.Agent, "a", "c", []string{"$share/g/sources/+/consumers/c/sourceevents"}},
	} {
		got := c.topics.Resolve(c.role, c.id, c.cluster).Subscriptions(c.role)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestResolveLeavesPeersOpen(t *testing.T) {
	open := topics.Topics{
		SourceEvents: "sources/+/clusters/+/sourceevents", AgentEvents: "sources/+/clusters/+/agentevents",
		SourceBroadcast: "sources/+/sourcebroadcast", AgentBroadcast: "clusters/+/agentbroadcast",
	}
	if got, want := open.Resolve(resource.Agent, "a", "c"), topics.Defaults(resource.Agent, "a", "c"); got != want {
		t.Errorf("agent: %+v, want %+v", got, want)
	}
	got := open.Resolve(resource.Source, "hub1", "")
	open.SourceBroadcast = "sources/hub1/sourcebroadcast"
	if got != open {
		t.Errorf("source: %+v, want %+v", got, open)
	}
	broken := topics.Topics{SourceEvents: "x"}
	if got := broken.Resolve(resource.Agent, "a", "c"); got != broken {
		t.Errorf("broken settings: %+v", got)
	}
}

// The names of the settings are the SDK's.
func TestTopicsJSON(t *testing.T) {
	data, err := json.Marshal(workAgent)
	want := `{"sourceEvents":"sources/mw1/clusters/+/sourceevents","agentEvents":"sources/mw1/clusters/+/agentevents","sourceBroadcast":"sources/+/sourcebroadcast"}`
	if err != nil || string(data) != want {
		t.Errorf("%s, %v", data, err)
	}
}
