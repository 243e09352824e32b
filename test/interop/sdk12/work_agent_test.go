package sdk12

import (
	"encoding/json"
	"fmt"
	"testing"

	workv1 "open-cluster-management.io/api/work/v1"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/clients/common"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
)

// metadata is what an app gives with PUT.
func metadata(label string) json.RawMessage {
	return json.RawMessage(`{"name":"` + workName + `","labels":{"app":"` + label + `"}}`)
}

func put(t *testing.T, s *harness.Sidecar, key harness.Key, value string, metadata json.RawMessage) {
	t.Helper()
	if _, err := s.API.Put(key, bundle(value), metadata); err != nil {
		t.Fatal(err)
	}
}

// isOf wants the label that the SDK's agent puts on a work, and one of the
// source's.
func isOf(source, label string) func(*workv1.ManifestWork) error {
	return func(w *workv1.ManifestWork) error {
		if w.Labels[common.CloudEventsOriginalSourceLabelKey] != source || w.Labels["app"] != label {
			return fmt.Errorf("labels %v, want those of source %s and app=%s", w.Labels, source, label)
		}
		return nil
	}
}

func sidecarHasStatus(message string, version int64) func(*harness.Resource) error {
	return func(res *harness.Resource) error {
		if res.StatusVersion != version || !harness.SameJSON(res.Status, bundleStatus(message)) {
			return fmt.Errorf("status %s of version %d, want %s of version %d", res.Status, res.StatusVersion, bundleStatus(message), version)
		}
		return nil
	}
}

func TestWorkToSDKAgent(t *testing.T) {
	works(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startSidecar(t, link, "source"), startWorkAgent(t, link)
		key := workKey(link, "any id/at all")

		put(t, source, key, "v1", metadata("demo"))
		agent.await(t, workName, "the agent has the work", hasManifest("v1", 1))
		agent.await(t, workName, "its labels", isOf(link.Source, "demo"))
		agent.addFinalizer(t, workName)
		agent.report(t, workName, "first")
		awaitResource(t, source, key, "the status", sidecarHasStatus("first", 1))

		put(t, source, key, "v2", metadata("other"))
		agent.await(t, workName, "the update", hasManifest("v2", 2))
		agent.await(t, workName, "the new label", isOf(link.Source, "other"))
		agent.report(t, workName, "second")
		awaitResource(t, source, key, "the second status", sidecarHasStatus("second", 2))

		if err := source.API.Delete(key); err != nil {
			t.Fatal(err)
		}
		agent.await(t, workName, "the agent is told to delete", isDeleting)
		awaitResource(t, source, key, "the work until the agent has finished", deletionAsked)
		agent.removeFinalizer(t, workName)
		agent.awaitGone(t, workName)
		awaitResourceGone(t, source, key)
	})
}

// TestWorkToSDKAgentWithoutMetadata: the name is the resource id then.
func TestWorkToSDKAgentWithoutMetadata(t *testing.T) {
	works(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startSidecar(t, link, "source"), startWorkAgent(t, link)
		put(t, source, workKey(link, "some-id"), "v1", nil)
		agent.await(t, "some-id", "the agent has the work under its id", hasManifest("v1", 1))
	})
}

// TestWorkToSDKAgentResync: a work agent that has lost its memory gets its
// works, also one that was deleted meanwhile, by the name that it knew.
func TestWorkToSDKAgentResync(t *testing.T) {
	works(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startSidecar(t, link, "source"), startWorkAgent(t, link)
		kept, deleted := workKey(link, "kept"), workKey(link, "deleted")
		put(t, source, deleted, "v1", metadata("demo"))
		put(t, source, kept, "v1", nil)
		agent.await(t, workName, "the first work", hasManifest("v1", 1))
		agent.await(t, "kept", "the second work", hasManifest("v1", 1))
		agent.report(t, workName, "first")
		awaitResource(t, source, deleted, "the status", sidecarHasStatus("first", 1))
		agent.stop()

		put(t, source, kept, "v2", nil)
		if err := source.API.Delete(deleted); err != nil {
			t.Fatal(err)
		}
		agent = startWorkAgent(t, link)
		agent.await(t, "kept", "the work that is kept", hasManifest("v2", 2))
		agent.await(t, workName, "the work that is deleting", isDeleting)
		agent.removeFinalizer(t, workName)
		agent.awaitGone(t, workName)
		awaitResourceGone(t, source, deleted)
	})
}

// TestWorkStatusHash: the sidecar gives the hash of a status back as it came,
// so that a resync of equal sides is silent.
func TestWorkStatusHash(t *testing.T) {
	works(t, func(t *testing.T, link fleet.Link, observer *harness.Observer) {
		source, agent := startSidecar(t, link, "source"), startWorkAgent(t, link)
		key := workKey(link, "some-id")
		put(t, source, key, "v1", metadata("demo"))
		agent.await(t, workName, "the agent has the work", hasManifest("v1", 1))
		agent.report(t, workName, "first")
		awaitResource(t, source, key, "the status", sidecarHasStatus("first", 1))
		mark := observer.Seen()
		if err := source.API.Resync("cluster", link.Cluster); err != nil {
			t.Fatal(err)
		}
		request := observer.Await(t, mark, "the source's request", harness.From(link.Source, "status.resync_request"))
		// A round trip after the request: an answer would be there by now.
		agent.report(t, workName, "second")
		awaitResource(t, source, key, "the second status", sidecarHasStatus("second", 1))
		answers := observer.Since(mark, harness.From(link.Agent, "status.resync_response"))
		if len(answers) > 0 {
			t.Errorf("%d answers to %s, such as %s", len(answers), request.Payload, answers[0].Payload)
		}
	})
}
