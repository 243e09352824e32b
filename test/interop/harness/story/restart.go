package story

import (
	"errors"
	"testing"

	"github.com/pillion-dev/pillion/test/interop/harness"
)

// SourceFirst and AgentFirst: the broker crashes with all that it had queued,
// both sides go on changing, and one is back before the other. Nothing is lost.
func SourceFirst(t *testing.T, w *World) { restart(t, w, w.Source, SourceID, w.Agent) }

// AgentFirst is the order in which the SDK alone loses specs: its request for
// them meets nobody.
func AgentFirst(t *testing.T, w *World) { restart(t, w, w.Agent, AgentID, w.Source) }

func restart(t *testing.T, w *World, first Peer, firstID string, second Peer) {
	t.Helper()
	all := settle(t, w)
	doomed := all[1]
	w.Broker.Kill()
	w.Source.Gate().Hold()
	w.Agent.Gate().Hold()
	for i, id := range all {
		switch i % 4 {
		case 0:
			w.Source.Put(t, id, Spec(1000+i))
		case 2:
			w.Agent.Report(t, id, StatusOf(1000+i))
		}
	}
	w.Source.Delete(t, doomed)

	w.Broker.Start(t)
	w.Observer.Attach(t)
	mark := w.Observer.Seen()
	first.Gate().Open(t)
	w.Observer.Await(t, mark, "the resync request of "+firstID, resyncRequestOf(firstID))
	awaitSubscribed(t, first)
	// The other side is still away.
	for _, id := range ids("late", 5) {
		w.Source.Put(t, id, Spec(1))
		all = append(all, id)
	}
	w.Agent.Report(t, all[3], StatusOf(2000))
	second.Gate().Open(t)

	w.AwaitDeleting(t, doomed)
	w.FinishDeletion(t, doomed)
	for _, id := range all {
		if id != doomed {
			w.AwaitSpec(t, id)
		}
	}
	w.agree(t, all, doomed)
}

// agree waits until the source has every status that the agent has.
func (w *World) agree(t *testing.T, all []string, except string) {
	t.Helper()
	for _, id := range all {
		if d, ok := w.Agent.Get(t, id); ok && id != except && d.Status != nil {
			w.AwaitStatus(t, id)
		}
	}
}

func resyncRequestOf(sender string) func(*harness.Packet) bool {
	return func(p *harness.Packet) bool {
		return harness.From(sender, "spec.resync_request")(p) || harness.From(sender, "status.resync_request")(p)
	}
}

func awaitSubscribed(t *testing.T, peer Peer) {
	t.Helper()
	eventually(t, "the peer is subscribed again", func() error {
		if !peer.Gate().Subscribed() {
			return errors.New("it is not")
		}
		return nil
	})
}

// RestartUnderLoad: the broker crashes while specs are in flight, some taken
// and not yet passed on. The sides come back in whatever order. Nothing is lost.
func RestartUnderLoad(t *testing.T, w *World) {
	const specs, crash, back = 900, 300, 600
	w.Start(t)
	all := ids("dev", 30)
	for i := range specs {
		w.Source.Put(t, all[i%len(all)], Spec(i))
		switch i {
		case crash:
			w.Broker.Kill()
		case back:
			w.Broker.Start(t)
			w.Observer.Attach(t)
		}
	}
	for i, id := range all {
		w.AwaitSpec(t, id)
		w.Agent.Report(t, id, StatusOf(i))
	}
	for _, id := range all {
		w.AwaitStatus(t, id)
	}
}
