package harness

// Topics are the four settings of a peer, as the SDK and the sidecar name
// them (docs/protocol.md, Topics). An empty one is not set.
type Topics struct {
	SourceEvents    string `json:"sourceEvents,omitempty"`
	AgentEvents     string `json:"agentEvents,omitempty"`
	SourceBroadcast string `json:"sourceBroadcast,omitempty"`
	AgentBroadcast  string `json:"agentBroadcast,omitempty"`
}

// Layout is the shape of all topics between one source and its agents.
type Layout struct {
	Root2            string // "clusters" or "consumers": the second root
	NoAgentBroadcast bool
}

// DefaultLayout is what the sidecar has without a setting.
var DefaultLayout = Layout{Root2: "clusters"}

// ForSource are the settings of the source.
func (l Layout) ForSource(source string) Topics {
	return l.topics(source, "+", "sources/"+source+"/sourcebroadcast")
}

// ForAgent are the settings of an agent that serves that source.
func (l Layout) ForAgent(source, cluster string) Topics {
	return l.topics(source, cluster, "sources/+/sourcebroadcast")
}

func (l Layout) topics(source, cluster, sourceBroadcast string) Topics {
	events := "sources/" + source + "/" + l.Root2 + "/" + cluster
	topics := Topics{
		SourceEvents:    events + "/sourceevents",
		AgentEvents:     events + "/agentevents",
		SourceBroadcast: sourceBroadcast,
	}
	if !l.NoAgentBroadcast {
		topics.AgentBroadcast = l.Root2 + "/" + cluster + "/agentbroadcast"
	}
	return topics
}
