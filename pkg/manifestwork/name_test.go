package manifestwork_test

import (
	"testing"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestName(t *testing.T) {
	odd := resource.Key{Source: "hub1", Cluster: "cluster1", ID: "Not/A Name"}
	for _, c := range []struct {
		key            resource.Key
		metadata, want string
	}{
		{resource.Key{ID: "id-1"}, `{"name":"w1"}`, "w1"},
		{resource.Key{ID: "id-1"}, `{"name":"Not This"}`, "id-1"},
		{resource.Key{ID: "id-1"}, `{"name":7}`, "id-1"},
		{resource.Key{ID: "id-1"}, ``, "id-1"},
		{odd, `no JSON`, manifestwork.ID("hub1", "cluster1", "Not/A Name")},
	} {
		if got := manifestwork.Name(c.key, []byte(c.metadata)); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.key.ID, c.metadata, got, c.want)
		}
	}
}
