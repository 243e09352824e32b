//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// watchApp is an agent's app that follows the changes and reports statuses. It
// keeps its own queue: what a sidecar's would have been for.
type watchApp struct {
	*agentApp
	*troubles
	w   *world
	end func()

	mu      sync.Mutex
	waiting map[resource.Key]*resource.Resource
}

func newWatchApp(w *world) *watchApp {
	return &watchApp{agentApp: w.edge, troubles: &troubles{}, w: w, end: func() {}, waiting: map[resource.Key]*resource.Resource{}}
}

// start begins anew, with all that there is.
func (a *watchApp) start() {
	endFollow, endWork := a.w.background(a.follow), a.w.background(a.workOff)
	a.end = func() {
		endFollow()
		endWork()
	}
}

func (a *watchApp) stop() {
	a.end()
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.waiting)
}

func (a *watchApp) follow(ctx context.Context) {
	for e, err := range a.api.Follow(ctx, resource.WatchRequest{}) {
		if err != nil {
			if ctx.Err() == nil {
				a.fault("watch: %v", err)
			}
			return
		}
		if e.Resource != nil && e.Type != resource.WatchDeleted && !settled(e.Resource) {
			a.wait(e.Resource)
		}
	}
}

// settled tells whether the status is already about this version.
func settled(r *resource.Resource) bool {
	var said report
	return json.Unmarshal(r.Status, &said) == nil && said == report{r.Version, digest(r.Spec)}
}

func (a *watchApp) wait(r *resource.Resource) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if other := a.waiting[r.Key]; other == nil || other.Version <= r.Version {
		a.waiting[r.Key] = r
	}
}

func (a *watchApp) next() *resource.Resource {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, r := range a.waiting {
		delete(a.waiting, key)
		return r
	}
	return nil
}

// workOff handles one resource after the other, again after a trouble.
func (a *watchApp) workOff(ctx context.Context) {
	for ctx.Err() == nil {
		r := a.next()
		if r == nil {
			pause(ctx)
			continue
		}
		result := a.make(resource.LeaseItem{Key: r.Key, Object: r})
		if a.draw() != none {
			a.wait(r)
			continue
		}
		_, err := a.api.SetStatus(ctx, resource.StatusRequest{Key: r.Key, Status: result.Status, Version: r.Version})
		if err != nil && resource.CodeOf(err) != resource.Conflict { // a conflict: a newer one is on its way
			a.wait(r)
			pause(ctx)
		}
	}
}
