package sdk015

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	workv1client "open-cluster-management.io/api/client/work/clientset/versioned/typed/work/v1"
	workv1 "open-cluster-management.io/api/work/v1"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/work"
	agentcodec "open-cluster-management.io/sdk-go/pkg/cloudevents/work/agent/codec"
	sourcecodec "open-cluster-management.io/sdk-go/pkg/cloudevents/work/source/codec"
	workstore "open-cluster-management.io/sdk-go/pkg/cloudevents/work/store"

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
		store := workstore.NewSourceInformerWatcherStore(ctx)
		holder, err := newWorkSource(ctx, link, gate, store)
		if err != nil {
			return nil, err
		}
		informer := works.NewInformer(func() workv1client.ManifestWorkInterface { return holder.ManifestWorks(metav1.NamespaceAll) })
		store.SetStore(informer.GetStore())
		return holder, informer.Follow(ctx)
	})
}

// startWorkSourceWith starts a hub's client with the works that its app has kept.
func startWorkSourceWith(t *testing.T, link fleet.Link, kept ...*workv1.ManifestWork) *works.Peer {
	t.Helper()
	return works.Connect(t, link, func(ctx context.Context, gate *harness.Gate) (workv1client.ManifestWorksGetter, error) {
		store, err := workstore.NewSourceLocalWatcherStore(ctx, func(context.Context) ([]*workv1.ManifestWork, error) { return kept, nil })
		if err != nil {
			return nil, err
		}
		return newWorkSource(ctx, link, gate, store)
	})
}

func newWorkSource(ctx context.Context, link fleet.Link, gate *harness.Gate, store workstore.WorkClientWatcherStore) (*work.ClientHolder, error) {
	return work.NewClientHolderBuilder(devices.MQTTOptions(gate.Addr, link.Layout.ForSource(link.Source))).
		WithClientID(link.Source + "-client").
		WithSourceID(link.Source).
		WithCodecs(sourcecodec.NewManifestBundleCodec()).
		WithWorkClientWatcherStore(patient{store, gate}).
		NewSourceClientHolder(ctx)
}

// startWorkAgent starts a work agent's client, for both data types, with an
// empty store.
func startWorkAgent(t *testing.T, link fleet.Link) *works.Peer {
	t.Helper()
	return works.Connect(t, link, func(ctx context.Context, gate *harness.Gate) (workv1client.ManifestWorksGetter, error) {
		store := workstore.NewAgentInformerWatcherStore()
		holder, err := work.NewClientHolderBuilder(devices.MQTTOptions(gate.Addr, link.Layout.ForAgent(link.Source, link.Cluster))).
			WithClientID(link.Agent).
			WithClusterName(link.Cluster).
			WithCodecs(agentcodec.NewManifestCodec(configMaps()), agentcodec.NewManifestBundleCodec()).
			WithWorkClientWatcherStore(patient{store, gate}).
			NewAgentClientHolder(ctx)
		if err != nil {
			return nil, err
		}
		client := holder.ManifestWorks(link.Cluster)
		informer := works.NewInformer(func() workv1client.ManifestWorkInterface { return client })
		store.SetStore(informer.GetStore())
		return holder, informer.Follow(ctx)
	})
}

// patient is a store that says that it is there once its client is subscribed.
// This version's client asks for a resync as soon as its store is there, and
// never again while it is connected: it would not hear an early answer.
type patient struct {
	workstore.WorkClientWatcherStore
	gate *harness.Gate
}

// HasInitiated is what the client waits for before it asks.
func (p patient) HasInitiated() bool {
	return p.WorkClientWatcherStore.HasInitiated() && p.gate.Subscribed()
}

// configMaps is all that the agent's cluster has.
func configMaps() meta.RESTMapper {
	version := schema.GroupVersion{Version: "v1"}
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{version})
	mapper.Add(version.WithKind("ConfigMap"), meta.RESTScopeNamespace)
	return mapper
}
