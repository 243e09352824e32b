package sdk015

import (
	"fmt"
	"testing"

	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
	"github.com/pillion-dev/pillion/test/interop/works"
)

// Here a sidecar is the source, and its app uses the Kubernetes API; the agent
// is the SDK's.

// workOf is a work of a data type, with a rule for what its agent feeds back.
func workOf(name, value, dataType string) *workv1.ManifestWork {
	w := works.New(name, value, 0)
	w.Annotations = map[string]string{works.DataTypeAnnotation: dataType}
	w.Spec.ManifestConfigs = []workv1.ManifestConfigOption{feedback()}
	return w
}

func feedback() workv1.ManifestConfigOption {
	return workv1.ManifestConfigOption{
		ResourceIdentifier: workv1.ResourceIdentifier{Resource: "configmaps", Namespace: "default", Name: "cm1"},
		FeedbackRules:      []workv1.FeedbackRule{{Type: workv1.JSONPathsType, JsonPaths: []workv1.JsonPath{{Name: "k", Path: ".data.k"}}}},
	}
}

// atAgent wants a work as this version's agent has it.
func atAgent(link fleet.Link, value string, version int, dataType string) func(*workv1.ManifestWork) error {
	return func(w *workv1.ManifestWork) error {
		manifests, configs := w.Spec.Workload.Manifests, w.Spec.ManifestConfigs
		switch {
		case w.ResourceVersion != fmt.Sprint(version):
			return fmt.Errorf("version %s, want %d", w.ResourceVersion, version)
		case len(manifests) != 1 || !harness.SameJSON(manifests[0].Raw, works.ManifestJSON(value)):
			return fmt.Errorf("manifests %s, want %s", manifests, works.ManifestJSON(value))
		case len(configs) != 1 || configs[0].ResourceIdentifier != feedback().ResourceIdentifier || len(configs[0].FeedbackRules) != 1:
			return fmt.Errorf("configs %+v, want %+v", configs, feedback())
		case w.Labels[works.OriginalSourceLabel] != link.Source || w.Annotations[works.DataTypeAnnotation] != dataType:
			return fmt.Errorf("labels %v, annotations %v", w.Labels, w.Annotations)
		}
		return nil
	}
}

// tellBoth tells a story with works of each data type.
func tellBoth(t *testing.T, tell func(t *testing.T, link fleet.Link, dataType string, observer *harness.Observer)) {
	for name, dataType := range map[string]string{"bundles": works.Bundles, "manifests": works.Manifests} {
		t.Run(name, func(t *testing.T) {
			works.Tell(t, func(t *testing.T, link fleet.Link, observer *harness.Observer) { tell(t, link, dataType, observer) })
		})
	}
}

func TestKubeSourceToSDKAgent(t *testing.T) {
	tellBoth(t, func(t *testing.T, link fleet.Link, dataType string, _ *harness.Observer) {
		source, agent := works.StartSidecar(t, link, "source"), startWorkAgent(t, link)
		id := string(source.Create(t, link.Cluster, workOf(works.Name, "v1", dataType)).UID)
		agent.Await(t, id, "the agent has the work", atAgent(link, "v1", 1, dataType))
		agent.AddFinalizer(t, id)
		agent.Report(t, id, "first")
		source.Await(t, link.Cluster, works.Name, "the status", works.HasStatus("first"))

		source.Patch(t, link.Cluster, works.Name, works.SpecPatch("v2"))
		agent.Await(t, id, "the update", atAgent(link, "v2", 2, dataType))
		source.Patch(t, link.Cluster, works.Name, works.LabelPatch("other"))
		agent.Await(t, id, "the version of the label", atAgent(link, "v2", 3, dataType))
		agent.Report(t, id, "second")
		source.Await(t, link.Cluster, works.Name, "the second status", works.HasStatus("second"))

		source.Remove(t, link.Cluster, works.Name)
		agent.Await(t, id, "the agent is told to delete", works.IsDeleting)
		source.Await(t, link.Cluster, works.Name, "it stays until the agent has finished", isHeld)
		agent.RemoveFinalizer(t, id)
		agent.AwaitGone(t, id)
		source.AwaitGone(t, link.Cluster, works.Name)
	})
}

func isHeld(w *workv1.ManifestWork) error {
	if len(w.Finalizers) != 1 || w.Finalizers[0] != workv1.ManifestWorkFinalizer {
		return fmt.Errorf("finalizers %v", w.Finalizers)
	}
	return works.IsDeleting(w)
}

// TestKubeSourceResync: an agent that has lost its memory gets what there is,
// and a source that was killed gets the status that it missed.
func TestKubeSourceResync(t *testing.T) {
	tellBoth(t, func(t *testing.T, link fleet.Link, dataType string, _ *harness.Observer) {
		source, agent := works.StartSidecar(t, link, "source"), startWorkAgent(t, link)
		kept := string(source.Create(t, link.Cluster, workOf(works.Name, "v1", dataType)).UID)
		deleted := string(source.Create(t, link.Cluster, workOf("deleted", "v1", dataType)).UID)
		agent.Await(t, kept, "the first work", atAgent(link, "v1", 1, dataType))
		agent.Await(t, deleted, "the second work", atAgent(link, "v1", 1, dataType))
		agent.Report(t, deleted, "first")
		source.Await(t, link.Cluster, "deleted", "the status", works.HasStatus("first"))
		agent.Stop()

		source.Patch(t, link.Cluster, works.Name, works.SpecPatch("v2"))
		source.Remove(t, link.Cluster, "deleted")
		created := string(source.Create(t, link.Cluster, workOf("created", "v1", dataType)).UID)
		agent = startWorkAgent(t, link)
		agent.Await(t, kept, "the work that has changed", atAgent(link, "v2", 2, dataType))
		agent.Await(t, created, "the work that is new", atAgent(link, "v1", 1, dataType))
		agent.Await(t, deleted, "the work that is deleting", works.IsDeleting)
		agent.RemoveFinalizer(t, deleted)
		source.AwaitGone(t, link.Cluster, "deleted")

		source.Kill()
		agent.Report(t, kept, "missed")
		source.Start(t, link.Broker.Addr)
		source.Await(t, link.Cluster, works.Name, "the status that it missed", works.HasStatus("missed"))
		source.Patch(t, link.Cluster, works.Name, works.SpecPatch("v3"))
		agent.Await(t, kept, "a change after the restart", atAgent(link, "v3", 3, dataType))
	})
}

// TestKubeSourceEqualIsSilent: for a status that came without a hash the sidecar
// asks with the one that this agent has for it.
func TestKubeSourceEqualIsSilent(t *testing.T) {
	tellBoth(t, func(t *testing.T, link fleet.Link, dataType string, observer *harness.Observer) {
		source, agent := works.StartSidecar(t, link, "source"), startWorkAgent(t, link)
		id := string(source.Create(t, link.Cluster, workOf(works.Name, "v1", dataType)).UID)
		agent.Await(t, id, "the agent has the work", atAgent(link, "v1", 1, dataType))
		agent.Report(t, id, "first")
		source.Await(t, link.Cluster, works.Name, "the status", works.HasStatus("first"))

		mark := observer.Seen()
		if err := source.API.Resync("cluster", link.Cluster); err != nil {
			t.Fatal(err)
		}
		asks := func(p *harness.Packet) bool { return p.Attribute("type") == dataType+".status.resync_request" }
		request := observer.Await(t, mark, "the source's request", asks)
		// A round trip after the request: an answer would be there by now.
		agent.Report(t, id, "second")
		source.Await(t, link.Cluster, works.Name, "the second status", works.HasStatus("second"))
		if answers := observer.Since(mark, harness.From(link.Agent, "status.resync_response")); len(answers) > 0 {
			t.Errorf("%d answers to %s, such as %s", len(answers), request.Payload, answers[0].Payload)
		}
	})
}
