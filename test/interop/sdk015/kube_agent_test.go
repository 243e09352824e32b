package sdk015

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
	"github.com/pillion-dev/pillion/test/interop/works"
)

// Here a sidecar is the agent, and its app uses the Kubernetes API; the source
// is the SDK's.

func TestKubeAgentFromSDKSource(t *testing.T) {
	works.Tell(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startWorkSource(t, link), works.StartSidecar(t, link, "agent")
		source.Create(t, works.New(works.Name, "v1", 1))
		agent.Await(t, link.Cluster, works.Name, "the agent has the work", works.HasManifest("v1", 1))
		agent.Await(t, link.Cluster, works.Name, "its labels", works.IsOf(link.Source, "demo"))
		agent.Patch(t, link.Cluster, works.Name, works.FinalizersPatch(workv1.ManifestWorkFinalizer))
		agent.Patch(t, link.Cluster, works.Name, works.StatusPatch("first"), "status")
		source.Await(t, works.Name, "the status", works.HasStatus("first"))

		source.Update(t, "v2", 2)
		agent.Await(t, link.Cluster, works.Name, "the update", works.HasManifest("v2", 2))
		source.Patch(t, works.Name, works.LabelPatch("other"))
		agent.Await(t, link.Cluster, works.Name, "a label that changed at an unchanged version", works.IsOf(link.Source, "other"))
		agent.Patch(t, link.Cluster, works.Name, works.StatusPatch("second"), "status")
		source.Await(t, works.Name, "the second status", works.HasStatus("second"))

		source.Remove(t)
		agent.Await(t, link.Cluster, works.Name, "the deletion", works.IsDeleting)
		source.Await(t, works.Name, "it stays until the agent has finished", works.IsDeleting)
		agent.Patch(t, link.Cluster, works.Name, works.FinalizersPatch())
		agent.AwaitGone(t, link.Cluster, works.Name)
		source.AwaitGone(t, works.Name)
	})
}

// TestKubeAgentResync: an agent that was killed gets what it missed, and a source
// that has only what its app kept gets the statuses.
func TestKubeAgentResync(t *testing.T) {
	works.Tell(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startWorkSource(t, link), works.StartSidecar(t, link, "agent")
		source.Create(t, works.New(works.Name, "v1", 1))
		source.Create(t, works.New("deleted", "v1", 1))
		for _, name := range []string{works.Name, "deleted"} {
			agent.Await(t, link.Cluster, name, "the agent has "+name, works.HasManifest("v1", 1))
			agent.Patch(t, link.Cluster, name, works.StatusPatch("first"), "status")
			source.Await(t, name, "the status of "+name, works.HasStatus("first"))
		}
		agent.Kill()
		source.Update(t, "v2", 2)
		source.Create(t, works.New("created", "v1", 1))
		if err := source.Works.Delete(context.Background(), "deleted", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		agent.Start(t, link.Broker.Addr)
		agent.Await(t, link.Cluster, works.Name, "the work that has changed", works.HasManifest("v2", 2))
		agent.Await(t, link.Cluster, "created", "the work that is new", works.HasManifest("v1", 1))
		agent.Await(t, link.Cluster, "deleted", "the work that is deleting", works.IsDeleting)
		agent.Patch(t, link.Cluster, "deleted", works.FinalizersPatch())
		source.AwaitGone(t, "deleted")

		kept, err := source.Works.List(context.Background(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		source.Stop()
		agent.Patch(t, link.Cluster, works.Name, works.StatusPatch("missed"), "status")
		again := make([]*workv1.ManifestWork, len(kept.Items))
		for i := range kept.Items {
			again[i] = &kept.Items[i]
		}
		source = startWorkSourceWith(t, link, again...)
		source.Await(t, works.Name, "the status that it missed", works.HasStatus("missed"))
		source.Update(t, "v3", 3)
		agent.Await(t, link.Cluster, works.Name, "a change after the restart", works.HasManifest("v3", 3))
	})
}

// TestKubeAgentEqualIsSilent: the agent knows the hash that this version makes of
// a status.
func TestKubeAgentEqualIsSilent(t *testing.T) { works.EqualIsSilent(t, startWorkSource) }
