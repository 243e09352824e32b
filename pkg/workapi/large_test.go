package workapi_test

import (
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestMetadataThatIsTooLargeSaysWhatHelps(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	large := strings.Replace(workJSON("cluster1", "w1", "v1"), `"labels"`, `"annotations":{"a":"`+strings.Repeat("x", 70_000)+`"},"labels"`, 1)
	if answer := w.must(t, 413, "POST", inCluster1, plain, large); !strings.Contains(answer, "--server-side") {
		t.Error(answer)
	}
}
