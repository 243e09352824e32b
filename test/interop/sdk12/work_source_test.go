package sdk12

import (
	"testing"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
)

// TestWorksOfSDKOnly proves the stories below and the harness.
func TestWorksOfSDKOnly(t *testing.T) {
	works(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startWorkSource(t, link), startWorkAgent(t, link)
		source.create(t, newWork(workName, "v1", 1))
		agent.await(t, workName, "the agent has the work", hasManifest("v1", 1))
		agent.addFinalizer(t, workName)
		agent.report(t, workName, "first")
		source.await(t, workName, "the source has the status", hasStatus("first"))
		source.update(t, "v2", 2)
		agent.await(t, workName, "the agent has the update", hasManifest("v2", 2))
		source.remove(t)
		agent.await(t, workName, "the agent is told to delete", isDeleting)
		agent.removeFinalizer(t, workName)
		agent.awaitGone(t, workName)
		source.awaitGone(t, workName)
	})
}

func TestWorkFromSDKSource(t *testing.T) {
	works(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startWorkSource(t, link), startSidecar(t, link, "agent")
		key := workKey(link, sourceWorkID(link))

		source.create(t, newWork(workName, "v1", 1))
		item := lease(t, agent, hasSpec(bundle("v1"), 1))
		if err := hasMetadata(workName, "app", "demo")(item.Object); err != nil {
			t.Error(err)
		}
		if item.Object.ID != key.ID || item.Object.Source != link.Source {
			t.Errorf("the work is %s of %s, want %s of %s", item.Object.ID, item.Object.Source, key.ID, link.Source)
		}
		answer(t, agent, item, object{"status": bundleStatus("first")})
		source.await(t, workName, "the source has the status", hasStatus("first"))

		source.update(t, "v2", 2)
		awaitResource(t, agent, key, "the update", hasSpec(bundle("v2"), 2))
		if err := agent.API.PutStatus(key, bundleStatus("second")); err != nil {
			t.Fatal(err)
		}
		source.await(t, workName, "the source has the second status", hasStatus("second"))

		source.patch(t, workName, object{"metadata": object{"labels": object{"app": "other"}}})
		awaitResource(t, agent, key, "a label that changed at an unchanged version", hasMetadata(workName, "app", "other"))
		awaitResource(t, agent, key, "the version that did not change", hasSpec(bundle("v2"), 2))

		source.remove(t)
		item = lease(t, agent, deletionAsked)
		answer(t, agent, item, object{"deleted": true})
		awaitResourceGone(t, agent, key)
		source.awaitGone(t, workName)
	})
}

// TestWorkWithoutVersion: a source that keeps no versions sends 0, which is
// always newer.
func TestWorkWithoutVersion(t *testing.T) {
	works(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startWorkSource(t, link), startSidecar(t, link, "agent")
		key := workKey(link, sourceWorkID(link))
		source.create(t, newWork(workName, "v1", 0))
		awaitResource(t, agent, key, "the work", hasSpec(bundle("v1"), 0))
		source.update(t, "v2", 0)
		awaitResource(t, agent, key, "the update", hasSpec(bundle("v2"), 0))
		if err := agent.API.PutStatus(key, bundleStatus("first")); err != nil {
			t.Fatal(err)
		}
		source.await(t, workName, "the source has the status", hasStatus("first"))
		source.remove(t)
		awaitResource(t, agent, key, "the deletion", deletionAsked)
		if err := agent.API.Delete(key); err != nil {
			t.Fatal(err)
		}
		awaitResourceGone(t, agent, key)
		source.awaitGone(t, workName)
	})
}

func TestWorkFromSDKSourceResync(t *testing.T) {
	works(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startWorkSource(t, link), startSidecar(t, link, "agent")
		key := workKey(link, sourceWorkID(link))
		source.create(t, newWork(workName, "v1", 1))
		awaitResource(t, agent, key, "the work", hasSpec(bundle("v1"), 1))
		agent.Stop(t)
		agent.Wipe(t)
		source.update(t, "v2", 2)
		agent.Start(t, link.Broker.Addr)
		awaitResource(t, agent, key, "the work after the agent has lost its memory", hasSpec(bundle("v2"), 2))
		awaitResource(t, agent, key, "its metadata", hasMetadata(workName, "app", "demo"))
	})
}
