package story

import "testing"

// population is large enough that a resync is a burst.
const population = 60

// settle declares a population, has the agent report on all, and waits until
// both sides agree.
func settle(t *testing.T, w *World) []string {
	t.Helper()
	w.Start(t)
	all := ids("dev", population)
	for i, id := range all {
		w.Source.Put(t, id, Spec(i))
	}
	for i, id := range all {
		w.AwaitSpec(t, id)
		w.Agent.Report(t, id, StatusOf(i))
	}
	for _, id := range all {
		w.AwaitStatus(t, id)
	}
	return all
}

// AgentRestartsEmpty: an agent that has lost its memory gets every spec again.
func AgentRestartsEmpty(t *testing.T, w *World) {
	all := settle(t, w)
	w.Agent.Stop(t)
	w.Agent.Wipe(t)
	w.Agent.Start(t)
	for _, id := range all {
		w.AwaitSpec(t, id)
	}
	w.Agent.Report(t, all[0], StatusOf(1000))
	w.AwaitStatus(t, all[0])
}

// SpecsMissed: what the source declared while the agent was away arrives, new
// and changed.
func SpecsMissed(t *testing.T, w *World) {
	all := settle(t, w)
	w.Agent.Stop(t)
	for i, id := range all {
		if i%3 == 0 {
			w.Source.Put(t, id, Spec(1000+i))
		}
	}
	for i, id := range ids("new", 10) {
		w.Source.Put(t, id, Spec(i))
		all = append(all, id)
	}
	w.Agent.Start(t)
	for _, id := range all {
		w.AwaitSpec(t, id)
	}
}

// StatusesMissed: what the agent reported while the source was away arrives.
func StatusesMissed(t *testing.T, w *World) {
	all := settle(t, w)
	w.Source.Stop(t)
	for i, id := range all {
		if i%3 == 0 {
			w.Agent.Report(t, id, StatusOf(1000+i))
		}
	}
	w.Source.Start(t)
	for _, id := range all {
		w.AwaitStatus(t, id)
	}
}

// DeletedWhileAway: an agent that was away learns what was deleted meanwhile,
// also what the source has forgotten altogether.
func DeletedWhileAway(t *testing.T, w *World) {
	all := settle(t, w)
	asked, forgotten := all[0], all[1]
	w.Agent.Stop(t)
	w.Source.Delete(t, asked)
	w.Source.Forget(t, forgotten)
	w.Agent.Start(t)
	for _, id := range []string{asked, forgotten} {
		w.AwaitDeleting(t, id)
		w.FinishDeletion(t, id)
	}
	w.AwaitSpec(t, all[2])
}

// ConfirmationMissed: a source that was away when the agent confirmed a
// deletion hears of it all the same. With the SDK on both sides it does not:
// nothing makes the agent ask or the source repeat when only the source was
// away.
func ConfirmationMissed(t *testing.T, w *World) {
	all := settle(t, w)
	id := all[0]
	w.Source.Delete(t, id)
	w.AwaitDeleting(t, id)
	w.Source.Stop(t)
	w.Agent.Confirm(t, id)
	AwaitGone(t, w.Agent, id)
	w.Source.Start(t)
	w.FinishDeletion(t, id)
}
