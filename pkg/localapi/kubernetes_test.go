package localapi_test

import (
	"net/http"
	"testing"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// However a Kubernetes client asks for a watch, it counts as one.
func TestWatchesOfTheKubernetesAPIAreLimited(t *testing.T) {
	const works = "/apis/work.open-cluster-management.io/v1/"
	for path, watch := range map[string]bool{
		works + "manifestworks?watch=true":                       true,
		works + "manifestworks?watch=1":                          true,
		works + "manifestworks?watch=True":                       true,
		works + "manifestworks?watch":                            true,
		works + "watch/manifestworks":                            true,
		works + "watch/namespaces/cluster1/manifestworks":        true,
		works + "manifestworks":                                  false,
		works + "manifestworks?watch=false":                      false,
		works + "manifestworks?watch=False":                      false,
		works + "manifestworks?watch=0":                          false,
		works + "namespaces/watch/manifestworks":                 false,
		works + "namespaces/cluster1/manifestworks/watch":        false,
		works + "namespaces/cluster1/manifestworks/watch/status": false,
	} {
		registry := newRegistry()
		a := serve(t, resource.Source, func(o *localapi.Options) {
			o.MaxWatchers = func() int { return 1 }
			o.Registerer, o.Metrics = registry, metricsOf(registry)
			o.Kubernetes = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusOK)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			})
		})
		open, err := a.client().Get("http://sidecar" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer open.Body.Close()
		if !watch {
			a.call("GET", "/metrics", "").want(200, "\nsidecar_watches 0\n")
			continue
		}
		a.call("GET", "/metrics", "").want(200, "\nsidecar_watches 1\n")
		a.call("GET", "/v1/resources?watch=true", "").wantProblem(429, resource.TooManyRequests, "limits.maxWatchers")
	}
}
