package story

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
)

// The stories here are of things that the SDK with itself cannot do, and that
// the sidecar does with an SDK on the other side.

// AgentIsAhead: a source whose store is older than what its agent holds raises
// its version over it, so that the agent does not drop its specs as stale.
func AgentIsAhead(t *testing.T, w *World) {
	const ahead = 9
	agent := w.Agent.(*fleet.Agent)
	agent.Hold(fleet.Device{ID: "dev-1", Version: ahead, Spec: Spec(1)})
	w.Start(t)
	w.Source.Put(t, "dev-1", Spec(2))
	agent.Resync(t)
	w.AwaitSpec(t, "dev-1")
	if d, _ := agent.Get(t, "dev-1"); d.Version <= ahead || !harness.SameJSON(d.Spec, Spec(2)) {
		t.Errorf("the agent holds version %d, spec %s", d.Version, d.Spec)
	}
}

// TwoSources: one sidecar agent serves two SDK sources that use the same id.
func TwoSources(t *testing.T, w *World) {
	const id = "dev-1"
	agent := w.Agent.(*SidecarAgent)
	link := w.Link
	link.Source = "hub2"
	other := fleet.NewSource(w.SDK.Name, link, w.SDK.Connector)
	other.Start(t)
	t.Cleanup(func() { other.Stop(t) })
	w.Start(t)

	w.Source.Put(t, id, Spec(1))
	other.Put(t, id, Spec(2))
	for source, n := range map[string]int{SourceID: 1, link.Source: 2} {
		key := agent.keyOf(source, id)
		eventually(t, "the agent has that of "+source, func() error { return hasSpecOf(agent.API, key, n) })
		must(t, agent.API.PutStatus(key, StatusOf(n)))
	}
	for n, source := range map[int]Source{1: w.Source, 2: other} {
		eventually(t, fmt.Sprintf("the source has its own status %d", n), func() error {
			if d, _ := source.Get(t, id); !harness.SameJSON(d.Status, StatusOf(n)) {
				return fmt.Errorf("status %s", d.Status)
			}
			return nil
		})
	}

	other.Delete(t, id)
	theirs := agent.keyOf(link.Source, id)
	eventually(t, "the agent is told to delete that of "+link.Source, func() error {
		res, found, err := agent.API.Get(theirs)
		if err == nil && (!found || res.DeletionTimestamp == nil) {
			err = errors.New("it is not")
		}
		return err
	})
	must(t, agent.API.Delete(theirs))
	AwaitGone(t, other, id)
	if err := hasSpecOf(agent.API, agent.keyOf(SourceID, id), 1); err != nil {
		t.Errorf("after the deletion of %s's: %v", link.Source, err)
	}
}

func hasSpecOf(api *harness.API, key harness.Key, n int) error {
	res, found, err := api.Get(key)
	switch {
	case err != nil:
		return err
	case !found:
		return errors.New("it is not there")
	case res.DeletionTimestamp != nil || !harness.SameJSON(res.Spec, Spec(n)):
		return fmt.Errorf("deletion %v, spec %s", res.DeletionTimestamp, res.Spec)
	}
	return nil
}
