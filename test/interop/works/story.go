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

// EqualIsSilent: an SDK's source asks the agent sidecar again, and has what it
// would be told: nothing is sent.
func EqualIsSilent(t *testing.T, start func(*testing.T, fleet.Link) *Peer) {
	Tell(t, func(t *testing.T, link fleet.Link, observer *harness.Observer) {
		source, agent := start(t, link), StartSidecar(t, link, "agent")
		source.Create(t, New(Name, "v1", 1))
		agent.Await(t, link.Cluster, Name, "the agent has the work", HasManifest("v1", 1))
		agent.Patch(t, link.Cluster, Name, StatusPatch("first"), "status")
		source.Await(t, Name, "the status", HasStatus("first"))

		mark := observer.Seen()
		source.Gate.Hold()
		source.Gate.Open(t)
		observer.Await(t, mark, "the source's request", harness.From(link.Source, "status.resync_request"))
		agent.Patch(t, link.Cluster, Name, StatusPatch("second"), "status")
		source.Await(t, Name, "the second status", HasStatus("second"))
		if answers := observer.Since(mark, harness.From(link.Agent, "status.resync_response")); len(answers) > 0 {
			t.Errorf("%d answers, such as %s", len(answers), answers[0].Payload)
		}
	})
}
