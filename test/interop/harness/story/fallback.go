package story

import (
	"testing"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
	"github.com/pillion-dev/pillion/test/interop/harness/golden"
)

// Fallback: an agent without a broadcast topic asks for specs on the topic of
// its events, and the source answers there too.
func Fallback(t *testing.T, w *World) {
	settle(t, w)
	w.Agent.Stop(t)
	w.Agent.Wipe(t)
	mark := w.Observer.Seen()
	w.Agent.Start(t)
	request := w.Observer.Await(t, mark, "the agent's request", harness.From(AgentID, "spec.resync_request"))
	report(t, "the agent and capture 20", harness.ShapeOf(request), harness.ShapeOf(asDevices(golden.Load(t, "20"))))
	for _, id := range ids("dev", population) {
		w.AwaitSpec(t, id)
	}
}

// asDevices renames what the capture, which is of a work, has otherwise.
func asDevices(p harness.Packet) harness.Packet {
	p.Topic = "sources/" + SourceID + "/clusters/" + Cluster + "/agentevents"
	for i, property := range p.Properties {
		switch property.Key {
		case "ce-source":
			p.Properties[i].Value = AgentID
		case "ce-clustername":
			p.Properties[i].Value = Cluster
		case "ce-type":
			p.Properties[i].Value = fleet.DataType + ".spec.resync_request"
		}
	}
	return p
}
