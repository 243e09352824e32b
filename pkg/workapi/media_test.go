package workapi_test

import (
	"testing"

	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Controllers that prefer protobuf do so for all kinds; a hub answers them with
// JSON where a kind has none.
func TestWhoPrefersProtobufGetsJSON(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	w.must(t, 201, "POST", inCluster1, plain, workJSON("cluster1", "w1", "v1"))
	const either = "application/vnd.kubernetes.protobuf,application/json"
	if got := asWork(t, w.accept(t, inCluster1+"/w1", either)); got.Name != "w1" {
		t.Errorf("%+v", got)
	}
	if list := decode[workv1.ManifestWorkList](t, w.accept(t, worksPath, either)); len(list.Items) != 1 {
		t.Errorf("%+v", list)
	}
	watched := w.accept(t, worksPath+"?watch=true&timeoutSeconds=1", either)
	if e := decode[event](t, watched); e.Type != "ADDED" {
		t.Errorf("%s", watched)
	}
}
