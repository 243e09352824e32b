//go:build e2e

package e2e_test

import (
	"context"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// pullApp is an agent's app that asks for work, and has the troubles that a
// pushApp has.
type pullApp struct {
	*agentApp
	*troubles
	w   *world
	end func()
}

func newPullApp(w *world) *pullApp {
	return &pullApp{agentApp: w.edge, troubles: &troubles{}, w: w, end: func() {}}
}

func (a *pullApp) start() {
	var ends []func()
	for range 2 * appWorkers {
		ends = append(ends, a.w.background(a.pull))
	}
	a.end = func() {
		for _, end := range ends {
			end()
		}
	}
}

func (a *pullApp) stop() { a.end() }

func (a *pullApp) pull(ctx context.Context) {
	for ctx.Err() == nil {
		life := a.currentLife()
		items, err := a.api.Lease(ctx, resource.LeaseRequest{Queue: "resources", Wait: time.Second, LeaseFor: time.Second})
		if err != nil {
			pause(ctx)
			continue
		}
		for _, item := range items {
			if a.leased(item, life) {
				result := a.make(item)
				a.answering(item.Key, life)
				a.answer(ctx, item, life, result)
			}
		}
	}
}

// answer tells the result, unless there is trouble.
func (a *pullApp) answer(ctx context.Context, item resource.LeaseItem, life int, result resource.WorkResult) {
	switch a.draw() {
	case fails:
		result = resource.WorkResult{Result: resource.ResultFailed, Error: "a trouble"}
	case garbles:
		result = resource.WorkResult{Result: "what?"}
		_ = a.api.Answer(ctx, item.Lease, result) // refused; the lease lapses
		return
	case hangs, closes:
		return
	}
	if err := a.api.Answer(ctx, item.Lease, result); refused(err) && ctx.Err() == nil && life == a.currentLife() {
		a.fault("answer for %s: %v", item.Key.ID, err)
	}
}
