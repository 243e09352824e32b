package works

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

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
)

// Peer is one of the SDK's ManifestWork clients with its store.
type Peer struct {
	Works  workv1client.ManifestWorkInterface // of the cluster
	Gate   *harness.Gate
	cancel context.CancelFunc
}

// Connect starts a client by connect, through a gate; it is subscribed when
// Connect returns, and ends with the test.
func Connect(t testing.TB, link fleet.Link, connect func(context.Context, *harness.Gate) (workv1client.ManifestWorksGetter, error)) *Peer {
	t.Helper()
	gate := harness.NewGate(t, link.Broker)
	ctx, cancel := context.WithCancel(context.Background())
	holder, err := connect(ctx, gate)
	if err != nil {
		cancel()
		t.Fatalf("start a work client: %v", err)
	}
	p := &Peer{Works: holder.ManifestWorks(link.Cluster), Gate: gate, cancel: cancel}
	t.Cleanup(p.Stop)
	harness.Eventually(t, harness.Patience, "the work client is subscribed", func() error {
		if !gate.Subscribed() {
			return errors.New("it is not")
		}
		return nil
	})
	return p
}

// Stop goes away without a word.
func (p *Peer) Stop() {
	p.cancel()
	p.Gate.Hold()
}

// Await waits until the work is as check wants it.
func (p *Peer) Await(t testing.TB, name, what string, check func(*workv1.ManifestWork) error) {
	t.Helper()
	harness.Eventually(t, harness.Patience, what, func() error {
		got, err := p.Works.Get(context.Background(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		return check(got)
	})
}

// AwaitGone waits until the client does not know the work.
func (p *Peer) AwaitGone(t testing.TB, name string) {
	t.Helper()
	harness.Eventually(t, harness.Patience, "the SDK has forgotten "+name, func() error {
		got, err := p.Works.Get(context.Background(), name, metav1.GetOptions{})
		if err != nil {
			return nil
		}
		return fmt.Errorf("it has it, deleting %t, finalizers %v", !got.DeletionTimestamp.IsZero(), got.Finalizers)
	})
}

// Patch is a merge patch. It is repeated while the client's own informer has
// not caught up.
func (p *Peer) Patch(t testing.TB, name string, patch Object, subresources ...string) {
	t.Helper()
	data, err := json.Marshal(patch)
	if err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, harness.Patience, "patch "+name, func() error {
		_, err := p.Works.Patch(context.Background(), name, kubetypes.MergePatchType, data, metav1.PatchOptions{}, subresources...)
		return err
	})
}

// AddFinalizer is what a work agent does first.
func (p *Peer) AddFinalizer(t testing.TB, name string) {
	t.Helper()
	p.Patch(t, name, FinalizersPatch(workv1.ManifestWorkFinalizer))
}

// RemoveFinalizer is what it does last: the SDK then reports Deleted=True.
func (p *Peer) RemoveFinalizer(t testing.TB, name string) {
	t.Helper()
	p.Patch(t, name, FinalizersPatch())
}

// Report patches the status.
func (p *Peer) Report(t testing.TB, name, message string) {
	t.Helper()
	p.Patch(t, name, StatusPatch(message), "status")
}

// Create makes a work at a source.
func (p *Peer) Create(t testing.TB, w *workv1.ManifestWork) {
	t.Helper()
	if _, err := p.Works.Create(context.Background(), w, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// Update changes the manifest of the work of that Name, and its version if that
// is not 0.
func (p *Peer) Update(t testing.TB, value string, version int) {
	t.Helper()
	patch := SpecPatch(value)
	if version > 0 {
		patch["metadata"] = Object{"annotations": Object{VersionAnnotation: fmt.Sprint(version)}}
	}
	p.Patch(t, Name, patch)
}

// Remove deletes the work of that Name at a source.
func (p *Peer) Remove(t testing.TB) {
	t.Helper()
	if err := p.Works.Delete(context.Background(), Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}
