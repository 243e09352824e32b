package works

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubetypes "k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	workclientset "open-cluster-management.io/api/client/work/clientset/versioned"
	workv1client "open-cluster-management.io/api/client/work/clientset/versioned/typed/work/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
)

// Sidecar is a sidecar with its Kubernetes API, and OCM's own clientset for it,
// unmodified: only the way to the socket is ours.
type Sidecar struct {
	*harness.Sidecar
	Clients workclientset.Interface
}

// StartSidecar starts a source or an agent of a link.
func StartSidecar(t testing.TB, link fleet.Link, role string) *Sidecar {
	t.Helper()
	config := harness.SidecarConfig{Role: role, ID: link.Source, SessionExpiry: "0s", Works: true}
	if role == "agent" {
		config.ID, config.Cluster = link.Agent, link.Cluster
	}
	s := &Sidecar{Sidecar: harness.NewSidecar(t, config)}
	s.Start(t, link.Broker.Addr)
	t.Cleanup(func() { s.Stop(t) })
	s.Clients = s.Clientset(t, new(atomic.Int64))
	return s
}

// Clientset counts the requests for everything in lists.
func (s *Sidecar) Clientset(t testing.TB, lists *atomic.Int64) workclientset.Interface {
	t.Helper()
	clients, err := workclientset.NewForConfig(s.restConfig(lists))
	if err != nil {
		t.Fatal(err)
	}
	return clients
}

func (s *Sidecar) restConfig(lists *atomic.Int64) *rest.Config {
	return &rest.Config{Host: "http://sidecar", QPS: -1,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", s.Socket())
		},
		WrapTransport: func(next http.RoundTripper) http.RoundTripper { return counting{next, lists} },
	}
}

// Works are those of a cluster, or of all.
func (s *Sidecar) Works(cluster string) workv1client.ManifestWorkInterface {
	return s.Clients.WorkV1().ManifestWorks(cluster)
}

// Create makes a work at a source.
func (s *Sidecar) Create(t testing.TB, cluster string, w *workv1.ManifestWork) *workv1.ManifestWork {
	t.Helper()
	made, err := s.Works(cluster).Create(context.Background(), w, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// Patch is a merge patch.
func (s *Sidecar) Patch(t testing.TB, cluster, name string, patch Object, subresources ...string) {
	t.Helper()
	data, err := json.Marshal(patch)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Works(cluster).Patch(context.Background(), name, kubetypes.MergePatchType, data, metav1.PatchOptions{}, subresources...); err != nil {
		t.Fatal(err)
	}
}

// Remove asks for deletion.
func (s *Sidecar) Remove(t testing.TB, cluster, name string) {
	t.Helper()
	if err := s.Works(cluster).Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// Await waits until the work is as check wants it.
func (s *Sidecar) Await(t testing.TB, cluster, name, what string, check func(*workv1.ManifestWork) error) {
	t.Helper()
	harness.Eventually(t, harness.Patience, what, func() error {
		got, err := s.Works(cluster).Get(context.Background(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		return check(got)
	})
}

// AwaitGone waits until there is no such work.
func (s *Sidecar) AwaitGone(t testing.TB, cluster, name string) {
	t.Helper()
	harness.Eventually(t, harness.Patience, name+" is gone", func() error {
		_, err := s.Works(cluster).Get(context.Background(), name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is there: %v", err)
	})
}

// counting counts the requests that ask for everything: lists, and watches that
// begin with all.
type counting struct {
	next  http.RoundTripper
	lists *atomic.Int64
}

// RoundTrip passes a request on.
func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	query := r.URL.Query()
	watches := query.Get("watch") == "true" || query.Get("watch") == "1"
	if r.Method == http.MethodGet && (!watches || query.Get("sendInitialEvents") == "true") {
		c.lists.Add(1)
	}
	return c.next.RoundTrip(r)
}
