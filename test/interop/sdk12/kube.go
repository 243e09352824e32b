package sdk12

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/rest"
	workclientset "open-cluster-management.io/api/client/work/clientset/versioned"
	workv1client "open-cluster-management.io/api/client/work/clientset/versioned/typed/work/v1"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
)

// kubeSidecar is a sidecar with its Kubernetes API, and OCM's own clientset for
// it, unmodified: only the way to the socket is ours.
type kubeSidecar struct {
	*harness.Sidecar
	clients workclientset.Interface
}

func startKubeSidecar(t testing.TB, link fleet.Link, role string) *kubeSidecar {
	t.Helper()
	config := harness.SidecarConfig{Role: role, ID: link.Source, SessionExpiry: "0s", Works: true}
	if role == "agent" {
		config.ID, config.Cluster = link.Agent, link.Cluster
	}
	s := &kubeSidecar{Sidecar: harness.NewSidecar(t, config)}
	s.Start(t, link.Broker.Addr)
	t.Cleanup(func() { s.Stop(t) })
	s.clients = s.clientset(t, new(atomic.Int64))
	return s
}

// clientset counts the requests for everything in lists.
func (s *kubeSidecar) clientset(t testing.TB, lists *atomic.Int64) workclientset.Interface {
	t.Helper()
	clients, err := workclientset.NewForConfig(s.restConfig(lists))
	if err != nil {
		t.Fatal(err)
	}
	return clients
}

func (s *kubeSidecar) restConfig(lists *atomic.Int64) *rest.Config {
	return &rest.Config{Host: "http://sidecar", QPS: -1,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", s.Socket())
		},
		WrapTransport: func(next http.RoundTripper) http.RoundTripper { return counting{next, lists} },
	}
}

// works are those of a cluster, or of all.
func (s *kubeSidecar) works(cluster string) workv1client.ManifestWorkInterface {
	return s.clients.WorkV1().ManifestWorks(cluster)
}

// counting counts the requests that ask for everything: lists, and watches that
// begin with all.
type counting struct {
	next  http.RoundTripper
	lists *atomic.Int64
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	query := r.URL.Query()
	watches := query.Get("watch") == "true" || query.Get("watch") == "1"
	if r.Method == http.MethodGet && (!watches || query.Get("sendInitialEvents") == "true") {
		c.lists.Add(1)
	}
	return c.next.RoundTrip(r)
}

func nameOf(i int) string { return fmt.Sprintf("work-%05d", i) }
