package workapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// What the engine refuses however often it is tried is refused, not tried again
// for as long as the request lasts.
func TestAStatusThatTheEngineRefusesIsAConflict(t *testing.T) {
	w := newWorld(t, resource.Agent, t.TempDir())
	w.arrive(t, "hub1", "id-1", `{"name":"w1"}`, time.Time{})
	deleted := strings.Replace(status, "Applied", "Deleted", 1) // nobody has asked for that
	begun := time.Now()
	w.must(t, 409, "PATCH", inCluster1+"/w1/status", merge, deleted)
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}
