package sdk12

import (
	"testing"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
	"github.com/pillion-dev/pillion/test/interop/works"
)

// TestWorksOfSDKOnly proves the stories below and the harness.
func TestWorksOfSDKOnly(t *testing.T) {
	works.Tell(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startWorkSource(t, link), startWorkAgent(t, link)
		source.Create(t, works.New(works.Name, "v1", 1))
		agent.Await(t, works.Name, "the agent has the work", works.HasManifest("v1", 1))
		agent.AddFinalizer(t, works.Name)
		agent.Report(t, works.Name, "first")
		source.Await(t, works.Name, "the source has the status", works.HasStatus("first"))
		source.Update(t, "v2", 2)
		agent.Await(t, works.Name, "the agent has the update", works.HasManifest("v2", 2))
		source.Remove(t)
		agent.Await(t, works.Name, "the agent is told to delete", works.IsDeleting)
		agent.RemoveFinalizer(t, works.Name)
		agent.AwaitGone(t, works.Name)
		source.AwaitGone(t, works.Name)
	})
}

func TestWorkFromSDKSource(t *testing.T) {
	works.Tell(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startWorkSource(t, link), startSidecar(t, link, "agent")
		key := workKey(link, sourceWorkID(link))

		source.Create(t, works.New(works.Name, "v1", 1))
		item := lease(t, agent, hasSpec(works.Bundle("v1"), 1))
		if err := hasMetadata(works.Name, "app", "demo")(item.Object); err != nil {
			t.Error(err)
		}
		if item.Object.ID != key.ID || item.Object.Source != link.Source {
			t.Errorf("the work is %s of %s, want %s of %s", item.Object.ID, item.Object.Source, key.ID, link.Source)
		}
		answer(t, agent, item, works.Object{"status": works.BundleStatus("first")})
		source.Await(t, works.Name, "the source has the status", works.HasStatus("first"))

		source.Update(t, "v2", 2)
		awaitResource(t, agent, key, "the update", hasSpec(works.Bundle("v2"), 2))
		if err := agent.API.PutStatus(key, works.BundleStatus("second")); err != nil {
			t.Fatal(err)
		}
		source.Await(t, works.Name, "the source has the second status", works.HasStatus("second"))

		source.Patch(t, works.Name, works.Object{"metadata": works.Object{"labels": works.Object{"app": "other"}}})
		awaitResource(t, agent, key, "a label that changed at an unchanged version", hasMetadata(works.Name, "app", "other"))
		awaitResource(t, agent, key, "the version that did not change", hasSpec(works.Bundle("v2"), 2))

		source.Remove(t)
		item = lease(t, agent, deletionAsked)
		answer(t, agent, item, works.Object{"deleted": true})
		awaitResourceGone(t, agent, key)
		source.AwaitGone(t, works.Name)
	})
}

// TestWorkWithoutVersion: a source that keeps no versions sends 0, which is
// always newer.
func TestWorkWithoutVersion(t *testing.T) {
	works.Tell(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startWorkSource(t, link), startSidecar(t, link, "agent")
		key := workKey(link, sourceWorkID(link))
		source.Create(t, works.New(works.Name, "v1", 0))
		awaitResource(t, agent, key, "the work", hasSpec(works.Bundle("v1"), 0))
		source.Update(t, "v2", 0)
		awaitResource(t, agent, key, "the update", hasSpec(works.Bundle("v2"), 0))
		if err := agent.API.PutStatus(key, works.BundleStatus("first")); err != nil {
			t.Fatal(err)
		}
		source.Await(t, works.Name, "the source has the status", works.HasStatus("first"))
		source.Remove(t)
		awaitResource(t, agent, key, "the deletion", deletionAsked)
		if err := agent.API.Delete(key); err != nil {
			t.Fatal(err)
		}
		awaitResourceGone(t, agent, key)
		source.AwaitGone(t, works.Name)
	})
}

func TestWorkFromSDKSourceResync(t *testing.T) {
	works.Tell(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startWorkSource(t, link), startSidecar(t, link, "agent")
		key := workKey(link, sourceWorkID(link))
		source.Create(t, works.New(works.Name, "v1", 1))
		awaitResource(t, agent, key, "the work", hasSpec(works.Bundle("v1"), 1))
		agent.Stop(t)
		agent.Wipe(t)
		source.Update(t, "v2", 2)
		agent.Start(t, link.Broker.Addr)
		awaitResource(t, agent, key, "the work after the agent has lost its memory", hasSpec(works.Bundle("v2"), 2))
		awaitResource(t, agent, key, "its metadata", hasMetadata(works.Name, "app", "demo"))
	})
}
