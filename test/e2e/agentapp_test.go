//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// agentApp takes specs and deletions from an agent's queue, makes them so, and
// answers each with what it has made.
type agentApp struct {
	*ledger
	api    *client.Client
	idle   atomic.Bool // takes nothing
	failed atomic.Bool // refusals are expected

	mu   sync.Mutex
	made map[resource.Key]report
}

func newAgentApp(api *client.Client) *agentApp {
	return &agentApp{ledger: newLedger("agent app"), api: api, made: map[resource.Key]report{}}
}

// watch follows all changes until ctx ends.
func (a *agentApp) watch(ctx context.Context) {
	for e, err := range a.api.Follow(ctx, resource.WatchRequest{}) {
		if err != nil {
			if ctx.Err() == nil {
				a.fault("watch: %v", err)
			}
			return
		}
		a.saw(e)
	}
}

// work takes what comes until ctx ends.
func (a *agentApp) work(ctx context.Context) {
	for ctx.Err() == nil {
		if a.idle.Load() {
			pause(ctx)
			continue
		}
		life := a.currentLife()
		items, err := a.api.Lease(ctx, resource.LeaseRequest{Queue: "resources", Max: 8, Wait: time.Second})
		if err != nil {
			pause(ctx)
			continue
		}
		for _, item := range items {
			if a.leased(item, life) {
				a.handle(ctx, item, life)
			}
		}
	}
}

func (a *agentApp) handle(ctx context.Context, item resource.LeaseItem, life int) {
	time.Sleep(rand.N(time.Millisecond)) // so that leases overlap
	result := a.make(item)
	a.answering(item.Key, life)
	err := a.api.Answer(ctx, item.Lease, result)
	if refused(err) && ctx.Err() == nil && life == a.currentLife() && !a.failed.Load() {
		var e *resource.Error
		errors.As(err, &e)
		a.fault("answer for %s: %v", item.Key.ID, err)
	}
}

// make does what the object asks for.
func (a *agentApp) make(item resource.LeaseItem) resource.WorkResult {
	a.mu.Lock()
	defer a.mu.Unlock()
	if item.Object == nil || item.Object.DeletionTimestamp != nil {
		delete(a.made, item.Key)
		return resource.WorkResult{Deleted: item.Object != nil}
	}
	made := report{Version: item.Object.Version, Digest: digest(item.Object.Spec)}
	a.made[item.Key] = made
	status, err := json.Marshal(made)
	if err != nil {
		a.fault("encode status: %v", err)
	}
	return resource.WorkResult{Status: status}
}

// has is what was made for each id.
func (a *agentApp) has() map[string]report {
	a.mu.Lock()
	defer a.mu.Unlock()
	has := make(map[string]report, len(a.made))
	for key, made := range a.made {
		has[key.ID] = made
	}
	return has
}
