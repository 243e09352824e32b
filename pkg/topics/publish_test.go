package topics_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/topics"
)

// What SDK clients publish to with these settings; the numbers are those of
// the captures in pkg/event/testdata.
func TestPublish(t *testing.T) {
	source := topics.Defaults(resource.Source, "hub1", "")
	oneSource := topics.Defaults(resource.Agent, "a", "cluster1")
	oneSource.AgentEvents = "sources/hub1/clusters/cluster1/agentevents"
	shared := topics.Topics{SourceEvents: "$share/g/sources/hub1/consumers/+/sourceevents", SourceBroadcast: "$share/g/sources/+/sourcebroadcast"}
	for name, c := range map[string]struct {
		topics topics.Topics
		role   resource.Role
		to     topics.Address
		want   string
	}{
		"01 spec":                        {source, resource.Source, topics.Address{Source: "hub1", Cluster: "cluster1"}, "sources/hub1/clusters/cluster1/sourceevents"},
		"02 status":                      {topics.Defaults(resource.Agent, "a", "cluster1"), resource.Agent, topics.Address{Source: "hub1", Cluster: "cluster1"}, "sources/hub1/clusters/cluster1/agentevents"},
		"04 request to all sources":      {oneSource, resource.Agent, topics.Address{Cluster: "cluster1", Broadcast: true}, "clusters/cluster1/agentbroadcast"},
		"07 request to one source":       {oneSource, resource.Agent, topics.Address{Source: "hub1", Cluster: "cluster1"}, "sources/hub1/clusters/cluster1/agentevents"},
		"08 request to all clusters":     {source, resource.Source, topics.Address{Source: "hub1", Broadcast: true}, "sources/hub1/sourcebroadcast"},
		"10 request to one cluster":      {source, resource.Source, topics.Address{Source: "hub1", Cluster: "cluster1"}, "sources/hub1/clusters/cluster1/sourceevents"},
		"20 broadcast without its topic": {workAgent, resource.Agent, topics.Address{Cluster: "cluster2", Broadcast: true}, "sources/mw1/clusters/cluster2/agentevents"},
		"share stripped":                 {shared, resource.Source, topics.Address{Cluster: "c"}, "sources/hub1/consumers/c/sourceevents"},
		"share of a broadcast stripped":  {shared, resource.Source, topics.Address{Source: "hub1", Broadcast: true}, "sources/hub1/sourcebroadcast"},
		"names from the settings":        {oneSource, resource.Agent, topics.Address{}, "sources/hub1/clusters/cluster1/agentevents"},
	} {
		if got, err := c.topics.Publish(c.role, c.to); err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c.want)
		}
	}
}

func TestPublishErrors(t *testing.T) {
	source, agent := topics.Defaults(resource.Source, "hub1", ""), topics.Defaults(resource.Agent, "a", "cluster1")
	silentSource, silentAgent := source, agent
	silentSource.SourceBroadcast, silentAgent.AgentBroadcast = "", ""
	for name, c := range map[string]struct {
		topics      topics.Topics
		role        resource.Role
		to          topics.Address
		mentioned   string
		noBroadcast bool
	}{
		"source without broadcast":   {silentSource, resource.Source, topics.Address{Source: "hub1", Broadcast: true}, "sourceBroadcast", true},
		"agent without broadcast":    {silentAgent, resource.Agent, topics.Address{Cluster: "cluster1", Broadcast: true}, "agentBroadcast", true},
		"no cluster":                 {source, resource.Source, topics.Address{Source: "hub1"}, "cluster", false},
		"no source":                  {agent, resource.Agent, topics.Address{Cluster: "cluster1"}, "source", false},
		"another source":             {source, resource.Source, topics.Address{Source: "hub2", Cluster: "c"}, "hub2", false},
		"another cluster":            {agent, resource.Agent, topics.Address{Source: "hub1", Cluster: "cluster2"}, "cluster2", false},
		"a cluster that is no name":  {source, resource.Source, topics.Address{Source: "hub1", Cluster: "+"}, "cluster", false},
		"a source with two levels":   {agent, resource.Agent, topics.Address{Source: "a/b", Cluster: "cluster1"}, "source", false},
		"setting missing":            {topics.Topics{}, resource.Source, topics.Address{Cluster: "c"}, "topic", false},
		"setting of an agent broken": {topics.Topics{AgentEvents: "x"}, resource.Agent, topics.Address{Broadcast: true}, "x", false},
	} {
		got, err := c.topics.Publish(c.role, c.to)
		if err == nil || !strings.Contains(err.Error(), c.mentioned) || errors.Is(err, topics.ErrNoBroadcast) != c.noBroadcast {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
