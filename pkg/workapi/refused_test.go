package workapi_test

import (
	"context"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
	"github.com/pillion-dev/pillion/pkg/workapi"
)

// refusing is an engine that takes no change, for a reason that is not another
// writer's change.
type refusing struct{ workapi.Engine }

func (refusing) ChangeWork(context.Context, manifestwork.Change) (*store.Record, error) {
	return nil, resource.Errorf(resource.Conflict, "not as things are")
}

// What the engine refuses however often it is tried is refused, not tried again
// for as long as the request lasts.
func TestAStatusThatTheEngineRefusesIsAConflict(t *testing.T) {
	w := newWorldOf(t, resource.Agent, t.TempDir(), func(e workapi.Engine) workapi.Engine { return refusing{e} })
	w.arrive(t, "hub1", "id-1", `{"name":"w1"}`, time.Time{})
	begun := time.Now()
	w.must(t, 409, "PATCH", inCluster1+"/w1/status", merge, status)
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}
