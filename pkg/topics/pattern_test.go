package topics_test

import (
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/topics"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]topics.Pattern{
		"sources/hub1/clusters/+/sourceevents":         {Root: "sources", Source: "hub1", ClusterRoot: "clusters", Cluster: "+", Kind: topics.SourceEvents},
		"$share/g-1/sources/+/consumers/c/agentevents": {Share: "g-1", Root: "sources", Source: "+", ClusterRoot: "consumers", Cluster: "c", Kind: topics.AgentEvents},
		"x/hub1/sourcebroadcast":                       {Root: "x", Source: "hub1", Kind: topics.SourceBroadcast},
		"$share/g/clusters/c/agentbroadcast":           {Share: "g", ClusterRoot: "clusters", Cluster: "c", Kind: topics.AgentBroadcast},
	} {
		got, err := topics.Parse(s)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
		if got.String() != s {
			t.Errorf("%s is written as %s", s, got)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, s := range []string{
		"", "sources", "sources/hub1/clusters/c", "Sources/hub1/clusters/c/agentevents", "sources/hub1/clusters/c/agentEvents",
		"sources/hub_1/clusters/c/agentevents", "sources/#", "/sources/hub1/clusters/c/agentevents", "sources/hub1/clusters/c/agentevents/",
		"sources//clusters/c/agentevents", "$share/sources/hub1/clusters/c/agentevents", "$SHARE/g/sources/hub1/clusters/c/agentevents",
		"sources/hub1/agentevents", "sources/hub1/clusters/c/sourcebroadcast", "sources/hub1/sourcebroadcast\n",
		"sources/" + strings.Repeat("a", 64) + "/sourcebroadcast", "clusters/" + strings.Repeat("a", 64) + "/agentbroadcast",
		strings.Repeat("a", 1024) + "/a/sourcebroadcast",
	} {
		if got, err := topics.Parse(s); err == nil {
			t.Errorf("%.100q: %+v", s, got)
		}
	}
}

// A pattern is written as it was read.
func FuzzParse(f *testing.F) {
	f.Add("sources/+/clusters/cluster1/sourceevents")
	f.Add("$share/g/clusters/+/agentbroadcast")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := topics.Parse(s)
		if err != nil {
			return
		}
		if p.String() != s {
			t.Errorf("%q is written as %q", s, p)
		}
	})
}
