package proxy

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// guard stands between a resync request and the deletion of what this source
// does not know (docs/api.md, "No deletion storm"): the app must have said that
// it declared everything of that scope, and only so many ids in an hour are
// told to be deleted. What is held is remembered, so that it can be let go.
type guard struct {
	*Proxy

	mu   sync.Mutex
	told []time.Time // of the last hour, in order
	held map[resource.Group]heldDeletes
}

type heldDeletes struct {
	ids    []event.ResourceVersion
	asked  time.Time
	reason string
}

const (
	guardWindow   = time.Hour
	syncedSetting = "synced"
	mostHeldIDs   = 100000 // over all clusters; the rest is asked for again
	notSynced     = "the app has not said that it declared everything: POST /v1/synced"
	tooMany       = "more than resync.maxDeletes in an hour: POST /v1/resync {\"allowDeletes\":true} lets them go"
)

func newGuard(p *Proxy) *guard { return &guard{Proxy: p, held: map[resource.Group]heldDeletes{}} }

// request handles the ids of one resync request that are unknown here.
func (g *guard) request(group resource.Group, ids []event.ResourceVersion, asked time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.held, group)
	if len(ids) == 0 {
		return
	}
	switch {
	case !g.synced(group):
		g.hold(group, ids, asked, notSynced)
	case !g.fits(len(ids)):
		g.hold(group, ids, asked, tooMany)
	default:
		g.tell(group, ids, asked)
	}
}

func (g *guard) hold(group resource.Group, ids []event.ResourceVersion, asked time.Time, why string) {
	for _, h := range g.held {
		if len(h.ids)+len(ids) > mostHeldIDs {
			ids = ids[:max(0, mostHeldIDs-len(h.ids))]
		}
	}
	g.held[group] = heldDeletes{ids: ids, asked: asked, reason: why}
	g.log.Warn("held back deletes of resources that are unknown here", "cluster", group.Cluster,
		"dataType", string(group.DataType), "count", len(ids), "reason", why)
}

// fits counts the deletes of the last hour.
func (g *guard) fits(more int) bool {
	since := time.Now().Add(-guardWindow)
	for len(g.told) > 0 && g.told[0].Before(since) {
		g.told = g.told[1:]
	}
	return len(g.told)+more <= g.live.Load().Resync.MaxDeletes
}

func (g *guard) tell(group resource.Group, ids []event.ResourceVersion, asked time.Time) {
	now := time.Now()
	for _, r := range ids {
		g.told = append(g.told, now)
		g.outbox.mark(group.Key(r.ResourceID), reason{unknown: true, askedAt: asked, version: r.ResourceVersion}, false)
	}
}

// release lets go what was held for a reason that no longer stands.
func (g *guard) release(all bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for group, h := range g.held {
		if !g.synced(group) || !all && !g.fits(len(h.ids)) {
			continue
		}
		delete(g.held, group)
		g.tell(group, h.ids, h.asked)
		if all { // allowed by hand: not counted
			g.told = g.told[:max(0, len(g.told)-len(h.ids))]
		}
	}
}

func (g *guard) synced(group resource.Group) bool {
	return slices.ContainsFunc(g.scopes(), func(s resource.Scope) bool { return s.Covers(group.DataType, group.Cluster) })
}

// scopes is what the app said that it has declared completely.
func (p *Proxy) scopes() []resource.Scope { return decodeScopes(p.store.Setting(syncedSetting)) }

func decodeScopes(data []byte) []resource.Scope {
	scopes := []resource.Scope{}
	if len(data) > 0 {
		_ = json.Unmarshal(data, &scopes) // written by Synced only
	}
	return scopes
}

// Synced remembers that the app has declared everything in a scope.
func (p *Proxy) Synced(ctx context.Context, scope resource.Scope) error {
	if p.opts.Role != resource.Source {
		return forbidden("an agent does not declare resources: its sources do")
	}
	err := p.store.Update(ctx, func(tx *store.Tx) error {
		scopes := decodeScopes(tx.Setting(syncedSetting))
		if slices.ContainsFunc(scopes, func(s resource.Scope) bool { return s == (resource.Scope{}) || s == scope }) {
			return nil
		}
		if scope == (resource.Scope{}) {
			scopes = nil // it covers them all
		}
		if len(scopes) >= mostScopes {
			return resource.Errorf(resource.TooManyRequests, "%d scopes are remembered already: say it for all at once, with {}", len(scopes))
		}
		data, err := json.Marshal(append(scopes, scope))
		if err != nil {
			return err
		}
		tx.SetSetting(syncedSetting, data)
		return nil
	})
	if err == nil {
		p.guard.release(false)
	}
	return err
}

const mostScopes = 10000

// status lists what is held.
func (g *guard) status() []resource.HeldDelete {
	g.mu.Lock()
	defer g.mu.Unlock()
	held := []resource.HeldDelete{}
	for group, h := range g.held {
		held = append(held, resource.HeldDelete{DataType: group.DataType, Cluster: group.Cluster, Count: len(h.ids), Reason: h.reason, At: h.asked})
	}
	return held
}
