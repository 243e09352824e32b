package proxy

import (
	"context"
	"encoding/json"
	"maps"
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
	told map[resource.Key]time.Time // since when, in the last hour; to tell one again is no other delete
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

func newGuard(p *Proxy) *guard {
	return &guard{Proxy: p, told: map[resource.Key]time.Time{}, held: map[resource.Group]heldDeletes{}}
}

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
	case !g.fits(group, ids):
		g.hold(group, ids, asked, tooMany)
	default:
		g.count(group, ids)
		g.tell(group, ids, asked)
	}
}

func (g *guard) hold(group resource.Group, ids []event.ResourceVersion, asked time.Time, why string) {
	room := mostHeldIDs
	for _, h := range g.held {
		room -= len(h.ids)
	}
	ids = ids[:min(len(ids), max(room, 0))]
	g.held[group] = heldDeletes{ids: ids, asked: asked, reason: why}
	g.log.Warn("held back deletes of resources that are unknown here", "cluster", group.Cluster,
		"dataType", string(group.DataType), "count", len(ids), "reason", why)
}

// fits tells whether these deletes stay within those of an hour.
func (g *guard) fits(group resource.Group, ids []event.ResourceVersion) bool {
	since := time.Now().Add(-guardWindow)
	maps.DeleteFunc(g.told, func(_ resource.Key, at time.Time) bool { return at.Before(since) })
	total := len(g.told)
	for _, r := range ids {
		if _, again := g.told[group.Key(r.ResourceID)]; !again {
			total++
		}
	}
	return total <= g.live.Load().Resync.MaxDeletes
}

func (g *guard) count(group resource.Group, ids []event.ResourceVersion) {
	now := time.Now()
	for _, r := range ids {
		if _, again := g.told[group.Key(r.ResourceID)]; !again {
			g.told[group.Key(r.ResourceID)] = now
		}
	}
}

func (g *guard) tell(group resource.Group, ids []event.ResourceVersion, asked time.Time) {
	for _, r := range ids {
		g.outbox.mark(group.Key(r.ResourceID), reason{unknown: true, askedAt: asked, version: r.ResourceVersion}, false)
	}
}

// release lets go what was held for a reason that no longer stands; what is
// allowed by hand does not count.
func (g *guard) release(all bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for group, h := range g.held {
		if !g.synced(group) || !all && !g.fits(group, h.ids) {
			continue
		}
		if !all {
			g.count(group, h.ids)
		}
		delete(g.held, group)
		g.tell(group, h.ids, h.asked)
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
		return errDeclares()
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
