package topics

import (
	"github.com/pillion-dev/pillion/pkg/resource"
)

// Topics are the four topic settings, each a pattern that Parse reads. The
// broadcasts are optional.
type Topics struct {
	SourceEvents    string `json:"sourceEvents" yaml:"sourceEvents"`
	AgentEvents     string `json:"agentEvents" yaml:"agentEvents"`
	SourceBroadcast string `json:"sourceBroadcast,omitempty" yaml:"sourceBroadcast,omitempty"`
	AgentBroadcast  string `json:"agentBroadcast,omitempty" yaml:"agentBroadcast,omitempty"`
}

// Defaults are the settings of a sidecar whose configuration has none
// (docs/api.md, Configuration): of the source id, or of an agent of cluster.
func Defaults(role resource.Role, id, cluster string) Topics {
	source := id
	if role == resource.Agent {
		source = wildcard
	} else {
		cluster = wildcard
	}
	events := "sources/" + source + "/clusters/" + cluster + "/"
	return Topics{
		SourceEvents:    events + string(SourceEvents),
		AgentEvents:     events + string(AgentEvents),
		SourceBroadcast: "sources/" + source + "/" + string(SourceBroadcast),
		AgentBroadcast:  "clusters/" + cluster + "/" + string(AgentBroadcast),
	}
}

// Subscriptions are the topic filters that the role subscribes to, shares
// included: its events first, then its broadcasts if there are any. Call
// Resolve before, or an agent with a "+" for its cluster hears every cluster.
func (t Topics) Subscriptions(role resource.Role) []string {
	filters := []string{t.AgentEvents, t.AgentBroadcast}
	if role == resource.Agent {
		filters = []string{t.SourceEvents, t.SourceBroadcast}
	}
	if filters[1] == "" {
		return filters[:1]
	}
	return filters
}

// Resolve fills in the one's own name where a setting leaves it open: the
// source id in a source's broadcast, the cluster in all of an agent's topics.
// Settings that do not parse are left as they are.
func (t Topics) Resolve(role resource.Role, id, cluster string) Topics {
	for _, s := range t.settings() {
		p, err := Parse(*s.value)
		if err != nil {
			continue
		}
		if role == resource.Source && p.Kind == SourceBroadcast {
			p.Source = fill(p.Source, id)
		}
		if role == resource.Agent {
			p.Cluster = fill(p.Cluster, cluster)
		}
		*s.value = p.String()
	}
	return t
}

// fill is name where the position is open, else the position as it is.
func fill(position, name string) string {
	if position == wildcard {
		return name
	}
	return position
}
