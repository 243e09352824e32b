package sdk12

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1client "open-cluster-management.io/api/client/work/clientset/versioned/typed/work/v1"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/clients/options"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/clients/work"
	agentcodec "open-cluster-management.io/sdk-go/pkg/cloudevents/clients/work/agent/codec"
	sourcecodec "open-cluster-management.io/sdk-go/pkg/cloudevents/clients/work/source/codec"
	workstore "open-cluster-management.io/sdk-go/pkg/cloudevents/clients/work/store"

	"github.com/pillion-dev/pillion/test/interop/devices"
	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
	"github.com/pillion-dev/pillion/test/interop/works"
)

// startWorkSource starts a hub's client, with an informer over it as a hub's
// controllers have.
func startWorkSource(t *testing.T, link fleet.Link) *works.Peer {
	t.Helper()
	return works.Connect(t, link, func(ctx context.Context, gate *harness.Gate) (workv1client.ManifestWorksGetter, error) {
		var holder *work.ClientHolder
		informer := works.NewInformer(func() workv1client.ManifestWorkInterface { return holder.ManifestWorks(metav1.NamespaceAll) })
		store := workstore.NewSourceInformerWatcherStore(ctx)
		store.SetInformer(informer)
		opts := devices.MQTTOptions(gate.Addr, link.Layout.ForSource(link.Source))
		holder, err := work.NewSourceClientHolder(ctx, options.NewGenericClientOptions(opts, sourcecodec.NewManifestBundleCodec(), link.Source+"-client").
			WithSourceID(link.Source).WithClientWatcherStore(store))
		if err != nil {
			return nil, err
		}
		return holder, informer.Follow(ctx)
	})
}

// startWorkAgent starts a work agent's client with an empty store.
func startWorkAgent(t *testing.T, link fleet.Link) *works.Peer {
	t.Helper()
	return works.Connect(t, link, func(ctx context.Context, gate *harness.Gate) (workv1client.ManifestWorksGetter, error) {
		opts := devices.MQTTOptions(gate.Addr, link.Layout.ForAgent(link.Source, link.Cluster))
		holder, err := work.NewAgentClientHolder(ctx, options.NewGenericClientOptions(opts, agentcodec.NewManifestBundleCodec(), link.Agent).
			WithClusterName(link.Cluster).WithClientWatcherStore(workstore.NewAgentInformerWatcherStore()))
		if err != nil {
			return nil, err
		}
		client := holder.ManifestWorks(link.Cluster)
		return holder, works.NewInformer(func() workv1client.ManifestWorkInterface { return client }).Follow(ctx)
	})
}
