package sdk12

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubetypes "k8s.io/apimachinery/pkg/types"
	workv1client "open-cluster-management.io/api/client/work/clientset/versioned/typed/work/v1"
	workv1 "open-cluster-management.io/api/work/v1"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/clients/options"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/clients/work"
	agentcodec "open-cluster-management.io/sdk-go/pkg/cloudevents/clients/work/agent/codec"
	sourcecodec "open-cluster-management.io/sdk-go/pkg/cloudevents/clients/work/source/codec"
	workstore "open-cluster-management.io/sdk-go/pkg/cloudevents/clients/work/store"

	"github.com/pillion-dev/pillion/test/interop/devices"
	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
)

// bundles is the data type of works.
const bundles = "io.open-cluster-management.works.v1alpha1.manifestbundles"

// workPeer is one of the SDK's ManifestWork clients with its store.
type workPeer struct {
	works  workv1client.ManifestWorkInterface // of the cluster
	gate   *harness.Gate
	cancel context.CancelFunc
}

// startWorkSource starts a hub's client, with an informer over it as a hub's
// controllers have.
func startWorkSource(t *testing.T, link fleet.Link) *workPeer {
	t.Helper()
	return startWork(t, link, link.Layout.ForSource(link.Source), func(ctx context.Context, opts any) (*work.ClientHolder, error) {
		var holder *work.ClientHolder
		informer := newInformer(func() workv1client.ManifestWorkInterface { return holder.ManifestWorks(metav1.NamespaceAll) })
		store := workstore.NewSourceInformerWatcherStore(ctx)
		store.SetInformer(informer)
		holder, err := work.NewSourceClientHolder(ctx, options.NewGenericClientOptions(opts, sourcecodec.NewManifestBundleCodec(), link.Source+"-client").
			WithSourceID(link.Source).WithClientWatcherStore(store))
		if err != nil {
			return nil, err
		}
		return holder, informer.run(ctx)
	})
}

// startWorkAgent starts a work agent's client with an empty store.
func startWorkAgent(t *testing.T, link fleet.Link) *workPeer {
	t.Helper()
	return startWork(t, link, link.Layout.ForAgent(link.Source, link.Cluster), func(ctx context.Context, opts any) (*work.ClientHolder, error) {
		holder, err := work.NewAgentClientHolder(ctx, options.NewGenericClientOptions(opts, agentcodec.NewManifestBundleCodec(), link.Agent).
			WithClusterName(link.Cluster).WithClientWatcherStore(workstore.NewAgentInformerWatcherStore()))
		if err != nil {
			return nil, err
		}
		works := holder.ManifestWorks(link.Cluster)
		return holder, newInformer(func() workv1client.ManifestWorkInterface { return works }).run(ctx)
	})
}

func startWork(t *testing.T, link fleet.Link, topics harness.Topics, connect func(context.Context, any) (*work.ClientHolder, error)) *workPeer {
	t.Helper()
	gate := harness.NewGate(t, link.Broker)
	ctx, cancel := context.WithCancel(context.Background())
	holder, err := connect(ctx, devices.MQTTOptions(gate.Addr, topics))
	if err != nil {
		cancel()
		t.Fatalf("start a work client: %v", err)
	}
	p := &workPeer{works: holder.ManifestWorks(link.Cluster), gate: gate, cancel: cancel}
	t.Cleanup(p.stop)
	harness.Eventually(t, harness.Patience, "the work client is subscribed", func() error {
		if !gate.Subscribed() {
			return errors.New("it is not")
		}
		return nil
	})
	return p
}

// stop goes away without a word.
func (p *workPeer) stop() {
	p.cancel()
	p.gate.Hold()
}

// await waits until the work is as check wants it.
func (p *workPeer) await(t *testing.T, name, what string, check func(*workv1.ManifestWork) error) {
	t.Helper()
	harness.Eventually(t, harness.Patience, what, func() error {
		got, err := p.works.Get(context.Background(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		return check(got)
	})
}

// awaitGone waits until the client does not know the work.
func (p *workPeer) awaitGone(t *testing.T, name string) {
	t.Helper()
	harness.Eventually(t, harness.Patience, "the SDK has forgotten "+name, func() error {
		got, err := p.works.Get(context.Background(), name, metav1.GetOptions{})
		if err != nil {
			return nil
		}
		return fmt.Errorf("it has it, deleting %t, finalizers %v", !got.DeletionTimestamp.IsZero(), got.Finalizers)
	})
}

// patch is a merge patch. It is repeated while the client's own informer has
// not caught up.
func (p *workPeer) patch(t *testing.T, name string, patch any, subresources ...string) {
	t.Helper()
	data, err := json.Marshal(patch)
	if err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, harness.Patience, "patch "+name, func() error {
		_, err := p.works.Patch(context.Background(), name, kubetypes.MergePatchType, data, metav1.PatchOptions{}, subresources...)
		return err
	})
}

// addFinalizer is what a work agent does first.
func (p *workPeer) addFinalizer(t *testing.T, name string) {
	t.Helper()
	p.patch(t, name, object{"metadata": object{"finalizers": []string{workv1.ManifestWorkFinalizer}}})
}

// removeFinalizer is what it does last: the SDK then reports Deleted=True.
func (p *workPeer) removeFinalizer(t *testing.T, name string) {
	t.Helper()
	p.patch(t, name, object{"metadata": object{"finalizers": nil}})
}

// report patches the status.
func (p *workPeer) report(t *testing.T, name, message string) {
	t.Helper()
	var status struct {
		Conditions     json.RawMessage `json:"conditions"`
		ResourceStatus json.RawMessage `json:"resourceStatus"`
	}
	if err := json.Unmarshal(bundleStatus(message), &status); err != nil {
		t.Fatal(err)
	}
	p.patch(t, name, object{"status": object{
		"conditions": status.Conditions, "resourceStatus": object{"manifests": status.ResourceStatus},
	}}, "status")
}
