package story

import (
	"testing"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
)

// EqualIsSilent: a resync between sides that agree is answered by nothing.
func EqualIsSilent(t *testing.T, w *World) {
	all := settle(t, w)
	mark := w.Observer.Seen()
	w.Source.Resync(t)
	w.Observer.Await(t, mark, "the source's request", harness.From(SourceID, "status.resync_request"))
	w.Agent.Resync(t)
	w.Observer.Await(t, mark, "the agent's request", harness.From(AgentID, "spec.resync_request"))
	// A round trip after the requests: answers would be there by now.
	w.Source.Put(t, all[0], Spec(1000))
	w.AwaitSpec(t, all[0])
	w.Agent.Report(t, all[0], StatusOf(1000))
	w.AwaitStatus(t, all[0])
	answers := w.Observer.Since(mark, func(p *harness.Packet) bool {
		return (p.Action() == "spec.resync_response" || p.Action() == "status.resync_response") && p.Attribute("resourceid") != all[0]
	})
	if len(answers) > 0 {
		t.Errorf("%d answers, such as %s of %s", len(answers), answers[0].Action(), answers[0].Attribute("resourceid"))
	}
}

// NoDeletionStorm: a sidecar source with a new store tells an agent to delete
// what it does not know only after its app has said that it has declared
// everything.
func NoDeletionStorm(t *testing.T, w *World) {
	source, agent := w.Source.(*SidecarSource), w.Agent.(*fleet.Agent)
	agent.Hold(fleet.Device{ID: "ghost", Version: 3, Spec: Spec(1)})
	w.Start(t)
	source.Put(t, "dev-1", Spec(1))
	w.AwaitSpec(t, "dev-1")
	agent.Resync(t)
	source.Put(t, "dev-2", Spec(1))
	w.AwaitSpec(t, "dev-2")
	if d, ok := agent.Get(t, "ghost"); !ok || d.Deleting() {
		t.Fatalf("a source that has not said synced has deleted: held %t, deleting %t", ok, d.Deleting())
	}
	must(t, source.API.Synced())
	agent.Resync(t)
	w.AwaitDeleting(t, "ghost")
	w.FinishDeletion(t, "ghost")
}
