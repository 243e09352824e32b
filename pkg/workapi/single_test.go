package workapi_test

import (
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// A work of the data type manifests that was put under /v1/resources says so, and
// what it has no place for is the app's mistake.
func TestAWorkOfOneManifestThatWasPut(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	key := resource.Key{DataType: manifestwork.Manifests, Cluster: "cluster1", ID: manifestwork.ID("hub1", "cluster1", "w1")}
	spec := `{"manifest":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm1"}}}`
	_, _, err := w.engine.Put(t.Context(), resource.PutRequest{Key: key, Metadata: []byte(`{"name":"w1"}`),
		Spec: resource.Payload{Data: []byte(spec), ContentType: resource.JSONContentType}})
	if err != nil {
		t.Fatal(err)
	}
	got := asWork(t, w.must(t, 200, "GET", inCluster1+"/w1", "", ""))
	if got.Annotations[manifestwork.DataTypeAnnotation] != string(manifestwork.Manifests) {
		t.Errorf("annotations %v", got.Annotations)
	}
	two := strings.Replace(workJSON("cluster1", "w1", "v1"), `"manifests":[`, `"manifests":[{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s1"}},`, 1)
	w.must(t, 422, "PATCH", inCluster1+"/w1", merge, two)
	w.label(t, "w1", "a")
}
