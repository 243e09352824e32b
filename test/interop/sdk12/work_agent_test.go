package sdk12

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
	"github.com/pillion-dev/pillion/test/interop/works"
)

// metadata is what an app gives with PUT.
func metadata(label string) json.RawMessage {
	return json.RawMessage(`{"name":"` + works.Name + `","labels":{"app":"` + label + `"}}`)
}

func put(t *testing.T, s *harness.Sidecar, key harness.Key, value string, metadata json.RawMessage) {
	t.Helper()
	if _, err := s.API.Put(key, works.Bundle(value), metadata); err != nil {
		t.Fatal(err)
	}
}

func sidecarHasStatus(message string, version int64) func(*harness.Resource) error {
	return func(res *harness.Resource) error {
		if res.StatusVersion != version || !harness.SameJSON(res.Status, works.BundleStatus(message)) {
			return fmt.Errorf("status %s of version %d, want %s of version %d", res.Status, res.StatusVersion, works.BundleStatus(message), version)
		}
		return nil
	}
}

func TestWorkToSDKAgent(t *testing.T) {
	works.Tell(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startSidecar(t, link, "source"), startWorkAgent(t, link)
		key := workKey(link, "any id/at all")

		put(t, source, key, "v1", metadata("demo"))
		agent.Await(t, works.Name, "the agent has the work", works.HasManifest("v1", 1))
		agent.Await(t, works.Name, "its labels", works.IsOf(link.Source, "demo"))
		agent.AddFinalizer(t, works.Name)
		agent.Report(t, works.Name, "first")
		awaitResource(t, source, key, "the status", sidecarHasStatus("first", 1))

		put(t, source, key, "v2", metadata("other"))
		agent.Await(t, works.Name, "the update", works.HasManifest("v2", 2))
		agent.Await(t, works.Name, "the new label", works.IsOf(link.Source, "other"))
		agent.Report(t, works.Name, "second")
		awaitResource(t, source, key, "the second status", sidecarHasStatus("second", 2))

		if err := source.API.Delete(key); err != nil {
			t.Fatal(err)
		}
		agent.Await(t, works.Name, "the agent is told to delete", works.IsDeleting)
		awaitResource(t, source, key, "the work until the agent has finished", deletionAsked)
		agent.RemoveFinalizer(t, works.Name)
		agent.AwaitGone(t, works.Name)
		awaitResourceGone(t, source, key)
	})
}

// TestWorkToSDKAgentWithoutMetadata: the name is the resource id then.
func TestWorkToSDKAgentWithoutMetadata(t *testing.T) {
	works.Tell(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startSidecar(t, link, "source"), startWorkAgent(t, link)
		put(t, source, workKey(link, "some-id"), "v1", nil)
		agent.Await(t, "some-id", "the agent has the work under its id", works.HasManifest("v1", 1))
	})
}

// TestWorkToSDKAgentResync: a work agent that has lost its memory gets its
// works, also one that was deleted meanwhile, by the name that it knew.
func TestWorkToSDKAgentResync(t *testing.T) {
	works.Tell(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startSidecar(t, link, "source"), startWorkAgent(t, link)
		kept, deleted := workKey(link, "kept"), workKey(link, "deleted")
		put(t, source, deleted, "v1", metadata("demo"))
		put(t, source, kept, "v1", nil)
		agent.Await(t, works.Name, "the first work", works.HasManifest("v1", 1))
		agent.Await(t, "kept", "the second work", works.HasManifest("v1", 1))
		agent.Report(t, works.Name, "first")
		awaitResource(t, source, deleted, "the status", sidecarHasStatus("first", 1))
		agent.Stop()

		put(t, source, kept, "v2", nil)
		if err := source.API.Delete(deleted); err != nil {
			t.Fatal(err)
		}
		agent = startWorkAgent(t, link)
		agent.Await(t, "kept", "the work that is kept", works.HasManifest("v2", 2))
		agent.Await(t, works.Name, "the work that is deleting", works.IsDeleting)
		agent.RemoveFinalizer(t, works.Name)
		agent.AwaitGone(t, works.Name)
		awaitResourceGone(t, source, deleted)
	})
}

// TestWorkStatusHash: the sidecar gives the hash of a status back as it came,
// so that a resync of equal sides is silent.
func TestWorkStatusHash(t *testing.T) {
	works.Tell(t, func(t *testing.T, link fleet.Link, observer *harness.Observer) {
		source, agent := startSidecar(t, link, "source"), startWorkAgent(t, link)
		key := workKey(link, "some-id")
		put(t, source, key, "v1", metadata("demo"))
		agent.Await(t, works.Name, "the agent has the work", works.HasManifest("v1", 1))
		agent.Report(t, works.Name, "first")
		awaitResource(t, source, key, "the status", sidecarHasStatus("first", 1))
		mark := observer.Seen()
		if err := source.API.Resync("cluster", link.Cluster); err != nil {
			t.Fatal(err)
		}
		request := observer.Await(t, mark, "the source's request", harness.From(link.Source, "status.resync_request"))
		// A round trip after the request: an answer would be there by now.
		agent.Report(t, works.Name, "second")
		awaitResource(t, source, key, "the second status", sidecarHasStatus("second", 1))
		answers := observer.Since(mark, harness.From(link.Agent, "status.resync_response"))
		if len(answers) > 0 {
			t.Errorf("%d answers to %s, such as %s", len(answers), request.Payload, answers[0].Payload)
		}
	})
}
