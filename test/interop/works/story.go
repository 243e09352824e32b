package works

import (
	"testing"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
)

// Tell tells a story of works through every broker.
func Tell(t *testing.T, tell func(*testing.T, fleet.Link, *harness.Observer)) {
	for _, kind := range harness.BrokerKinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			link := NewLink(t, kind)
			tell(t, link, harness.Observe(t, link.Broker))
		})
	}
}

// NewLink is a source and an agent with a broker between them.
func NewLink(t testing.TB, kind harness.BrokerKind) fleet.Link {
	t.Helper()
	return fleet.Link{Broker: harness.StartBroker(t, kind), Layout: harness.DefaultLayout,
		Source: "mw1", Agent: "cluster2-work-agent", Cluster: "cluster2"}
}
