package workapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestMetadataThatIsTooLargeSaysWhatHelps(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	large := strings.Replace(workJSON("cluster1", "w1", "v1"), `"labels"`, `"annotations":{"a":"`+strings.Repeat("x", 70_000)+`"},"labels"`, 1)
	if answer := w.must(t, 413, "POST", inCluster1, plain, large); !strings.Contains(answer, "--server-side") {
		t.Error(answer)
	}
}

// Both views have the same bounds.
func TestAStatusThatIsTooLargeIsRefused(t *testing.T) {
	w := newWorld(t, resource.Agent, t.TempDir())
	w.arrive(t, "hub1", "id-1", `{"name":"w1"}`, time.Time{})
	condition := `{"type":"T%","status":"True","reason":"R","lastTransitionTime":"2026-01-02T03:04:05Z","message":"` + strings.Repeat("m", 32_000) + `"}`
	var conditions []string
	for range mostBytes/32_000 + 1 {
		conditions = append(conditions, strings.Replace(condition, "%", strings.Repeat("x", len(conditions)+1), 1))
	}
	body := `{"status":{"conditions":[` + strings.Join(conditions, ",") + `]}}`
	if answer := w.must(t, 413, "PATCH", inCluster1+"/w1/status", merge, body); !strings.Contains(answer, "limits.maxResourceBytes") {
		t.Error(answer)
	}
}
