package topics_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/topics"
)

func TestValidSettings(t *testing.T) {
	for name, c := range map[string]struct {
		topics topics.Topics
		role   resource.Role
	}{
		"source defaults": {topics.Defaults(resource.Source, "hub1", ""), resource.Source},
		"agent defaults":  {topics.Defaults(resource.Agent, "hub1", "cluster1"), resource.Agent},
		"work agent":      {workAgent, resource.Agent},
		"maestro": {topics.Topics{SourceEvents: "sources/hub1/consumers/+/sourceevents",
			AgentEvents: "$share/statussubscribers/sources/hub1/consumers/+/agentevents"}, resource.Source},
		"shared everywhere": {topics.Topics{SourceEvents: "$share/g/sources/hub1/clusters/+/sourceevents", AgentEvents: "$share/g/sources/hub1/clusters/+/agentevents",
			SourceBroadcast: "$share/g/sources/+/sourcebroadcast", AgentBroadcast: "$share/g/clusters/+/agentbroadcast"}, resource.Source},
		"all open, agent": {topics.Topics{SourceEvents: "sources/+/clusters/+/sourceevents", AgentEvents: "sources/+/clusters/+/agentevents",
			AgentBroadcast: "clusters/+/agentbroadcast"}, resource.Agent},
	} {
		if err := c.topics.Validate(c.role, "hub1", "cluster1"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every fault names its setting and a value that is right.
func TestFaultySettings(t *testing.T) {
	source, agent := topics.Defaults(resource.Source, "hub1", ""), topics.Defaults(resource.Agent, "a", "cluster1")
	for name, c := range map[string]struct {
		role    resource.Role
		spoil   func(*topics.Topics)
		setting string
		write   string
	}{
		"source: missing":             {resource.Source, func(s *topics.Topics) { s.SourceEvents = "" }, "sourceEvents", source.SourceEvents},
		"source: not a topic":         {resource.Source, func(s *topics.Topics) { s.AgentEvents = "sources/hub1/#" }, "agentEvents", source.AgentEvents},
		"source: settings swapped":    {resource.Source, func(s *topics.Topics) { s.SourceEvents = s.AgentEvents }, "sourceEvents", source.SourceEvents},
		"source: broadcast swapped":   {resource.Source, func(s *topics.Topics) { s.AgentBroadcast = s.SourceBroadcast }, "agentBroadcast", source.AgentBroadcast},
		"source: open source":         {resource.Source, func(s *topics.Topics) { s.SourceEvents = "sources/+/clusters/+/sourceevents" }, "sourceEvents", source.SourceEvents},
		"source: hears all sources":   {resource.Source, func(s *topics.Topics) { s.AgentEvents = "$share/g/x/+/y/+/agentevents" }, "agentEvents", "$share/g/x/hub1/y/+/agentevents"},
		"source: another source":      {resource.Source, func(s *topics.Topics) { s.AgentEvents = "sources/hub2/clusters/+/agentevents" }, "agentEvents", source.AgentEvents},
		"source: one cluster":         {resource.Source, func(s *topics.Topics) { s.SourceEvents = "sources/hub1/clusters/cluster1/sourceevents" }, "sourceEvents", source.SourceEvents},
		"source: hears one cluster":   {resource.Source, func(s *topics.Topics) { s.AgentBroadcast = "clusters/cluster1/agentbroadcast" }, "agentBroadcast", source.AgentBroadcast},
		"source: another's broadcast": {resource.Source, func(s *topics.Topics) { s.SourceBroadcast = "sources/hub2/sourcebroadcast" }, "sourceBroadcast", source.SourceBroadcast},
		"source: long name": {resource.Source, func(s *topics.Topics) {
			s.SourceEvents = "sources/" + strings.Repeat("a", 64) + "/clusters/+/sourceevents"
		}, "sourceEvents", source.SourceEvents},
		"agent: missing":                {resource.Agent, func(s *topics.Topics) { s.AgentEvents = "" }, "agentEvents", agent.AgentEvents},
		"agent: another cluster":        {resource.Agent, func(s *topics.Topics) { s.SourceEvents = "sources/+/clusters/cluster2/sourceevents" }, "sourceEvents", agent.SourceEvents},
		"agent: speaks for another":     {resource.Agent, func(s *topics.Topics) { s.AgentEvents = "sources/+/clusters/cluster2/agentevents" }, "agentEvents", agent.AgentEvents},
		"agent: broadcasts for another": {resource.Agent, func(s *topics.Topics) { s.AgentBroadcast = "clusters/cluster2/agentbroadcast" }, "agentBroadcast", agent.AgentBroadcast},
		"agent: two sources": {resource.Agent, func(s *topics.Topics) {
			s.SourceEvents, s.AgentEvents = "sources/hub1/clusters/+/sourceevents", "sources/hub2/clusters/+/agentevents"
		}, "agentEvents", "sources/hub1/clusters/+/agentevents"},
	} {
		settings := source
		if c.role == resource.Agent {
			settings = agent
		}
		c.spoil(&settings)
		err := settings.Validate(c.role, "hub1", "cluster1")
		var fault *topics.SettingError
		if !errors.As(err, &fault) || fault.Setting != c.setting || fault.Write != c.write {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if text := err.Error(); !strings.HasPrefix(text, c.setting) || !strings.HasSuffix(text, "write "+c.write) || strings.Contains(text, "\n") {
			t.Errorf("%s: text %q", name, text)
		}
	}
}

func TestEveryFaultIsFound(t *testing.T) {
	err := topics.Topics{SourceEvents: "a", SourceBroadcast: "b", AgentBroadcast: "c"}.Validate(resource.Source, "hub1", "")
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 4 {
		t.Errorf("faults: %v", err)
	}
}

// What a fault says to write is right.
func FuzzValidate(f *testing.F) {
	f.Add("sources/+/clusters/+/sourceevents", "sources/hub2/clusters/c/agentevents", "sources/x/sourcebroadcast", "clusters/x/agentbroadcast", true)
	f.Add("$share/g/a/b/c/d/sourceevents", "", "", "x", false)
	f.Fuzz(func(t *testing.T, sourceEvents, agentEvents, sourceBroadcast, agentBroadcast string, isSource bool) {
		settings := topics.Topics{SourceEvents: sourceEvents, AgentEvents: agentEvents, SourceBroadcast: sourceBroadcast, AgentBroadcast: agentBroadcast}
		role := resource.Agent
		if isSource {
			role = resource.Source
		}
		var mended = settings
		for range 2 { // the second round is for settings that do not fit together
			mended = mend(mended, mended.Validate(role, "hub1", "cluster1"))
		}
		if err := mended.Validate(role, "hub1", "cluster1"); err != nil {
			t.Fatalf("%+v, mended from %+v: %v", mended, settings, err)
		}
		resolved := mended.Resolve(role, "hub1", "cluster1")
		topic, err := resolved.Publish(role, topics.Address{Source: sourceOf(t, resolved, role), Cluster: "cluster1"})
		if err != nil || strings.ContainsAny(topic, "+#$") {
			t.Errorf("%+v publishes to %q, %v", resolved, topic, err)
		}
	})
}

// sourceOf is a source that the settings reach.
func sourceOf(t *testing.T, settings topics.Topics, role resource.Role) string {
	t.Helper()
	p, err := topics.Parse(settings.AgentEvents)
	if err != nil {
		t.Fatal(err)
	}
	if role == resource.Source || p.Source == "+" {
		return "hub1"
	}
	return p.Source
}

// mend does what the faults say.
func mend(settings topics.Topics, err error) topics.Topics {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return settings
	}
	for _, err := range joined.Unwrap() {
		var fault *topics.SettingError
		if errors.As(err, &fault) {
			*map[string]*string{"sourceEvents": &settings.SourceEvents, "agentEvents": &settings.AgentEvents,
				"sourceBroadcast": &settings.SourceBroadcast, "agentBroadcast": &settings.AgentBroadcast}[fault.Setting] = fault.Write
		}
	}
	return settings
}
