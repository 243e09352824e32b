package workapi_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestNamespacesAreSelected(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	for _, cluster := range []string{"cluster1", "cluster2"} {
		path := "/apis/work.open-cluster-management.io/v1/namespaces/" + cluster + "/manifestworks"
		w.must(t, 201, "POST", path, plain, workJSON(cluster, "w1", "v1"))
	}
	for query, want := range map[string]int{
		"": 2,
		"?fieldSelector=metadata.name%3Dcluster2":                 1,
		"?fieldSelector=metadata.name%21%3Dcluster1":              1,
		"?fieldSelector=metadata.name%3Dother":                    0,
		"?labelSelector=kubernetes.io%2Fmetadata.name%3Dcluster1": 1,
	} {
		if list := decode[corev1.NamespaceList](t, w.must(t, 200, "GET", "/api/v1/namespaces"+query, "", "")); len(list.Items) != want {
			t.Errorf("%q: %d namespaces, want %d", query, len(list.Items), want)
		}
	}
}
