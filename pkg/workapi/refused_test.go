package workapi_test

import (
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// What the engine refuses however often it is tried is refused, not tried again
// for as long as the request lasts.
func TestAStatusThatTheEngineRefusesIsAConflict(t *testing.T) {
	w := newWorld(t, resource.Agent, t.TempDir())
	key := w.arrive(t, "hub1", "id-1", `{"name":"w1"}`, time.Time{})
	w.mark(t, key, func(m *store.Meta) { m.StatusVersion = m.Version + 4 }) // the source has begun to count anew
	begun := time.Now()
	w.must(t, 409, "PATCH", inCluster1+"/w1/status", merge, status)
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}
