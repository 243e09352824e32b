package story

import "testing"

// Lifecycle: a resource is created, updated, reported on, deleted in the
// handshake, and made anew.
func Lifecycle(t *testing.T, w *World) {
	w.Start(t)
	live(t, w, "dev-1")
	live(t, w, "dev-1")
}

// OddIDs: an id is any text, also one that a URL or a topic would cut.
func OddIDs(t *testing.T, w *World) {
	w.Start(t)
	for _, id := range []string{"plant 7/press ü", "a+b#c?d=e&f%2F", "6f1c1f8e-9d3a-4c1e-8f52-0b8e6a4f0001"} {
		live(t, w, id)
	}
}

// live takes one resource through its life.
func live(t *testing.T, w *World, id string) {
	t.Helper()
	w.Source.Put(t, id, Spec(1))
	w.AwaitSpec(t, id)
	w.Agent.Report(t, id, StatusOf(1))
	w.AwaitStatus(t, id)
	if source, ok := w.Source.(*SidecarSource); ok {
		source.awaitObserved(t, id)
	}

	w.Source.Put(t, id, Spec(2))
	w.AwaitSpec(t, id)
	w.Agent.Report(t, id, StatusOf(2))
	w.AwaitStatus(t, id)

	w.Source.Delete(t, id)
	w.AwaitDeleting(t, id)
	if d, ok := w.Source.Get(t, id); !ok || !d.Deleting() {
		t.Fatalf("before the agent has confirmed, the source has %s: %t, deleting: %t", id, ok, d.Deleting())
	}
	w.Agent.Report(t, id, StatusOf(3))
	w.AwaitStatus(t, id)
	w.FinishDeletion(t, id)
}
