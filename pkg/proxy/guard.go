package proxy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// guard stands between a resync request and the deletion of what this source
// does not know (docs/api.md, "No deletion storm"): the app must have said that
// it declared everything of that scope, and only so many ids in an hour are
// told to be deleted. What is held is remembered, so that it can be let go.
type guard struct {
	*Proxy

	turn   sync.Mutex // held while a request is judged or a release made: they wait for the disk
	told   tally
	waiver waiver

	mu   sync.Mutex
	held map[resource.Group]heldDeletes
}

type heldDeletes struct {
	ids    []event.ResourceVersion
	asked  time.Time
	reason string
}

// waiver is what allowDeletes grants when nothing is held, as after a restart:
// the next request of each group may pass, once.
type waiver struct {
	until time.Time
	used  map[resource.Group]bool
}

const (
	mostHeldIDs = 100000 // over all clusters; the rest is asked for again
	waiverTime  = 10 * time.Minute
	notSynced   = "the app has not said that it declared everything: POST /v1/synced"
	tooMany     = "more than resync.maxDeletes in an hour: POST /v1/resync {\"allowDeletes\":true} lets them go"
)

func newGuard(p *Proxy) *guard {
	return &guard{Proxy: p, told: readTally(p.store), held: map[resource.Group]heldDeletes{}}
}

// request handles the ids of one resync request that are unknown here. After an
// error nothing of it is told: it has to be asked again.
func (g *guard) request(ctx context.Context, group resource.Group, ids []event.ResourceVersion, asked time.Time) error {
	g.turn.Lock()
	defer g.turn.Unlock()
	g.drop(group)
	if len(ids) == 0 {
		return nil
	}
	sum := g.told.with(group, ids)
	switch {
	case !g.synced(group):
		g.hold(group, ids, asked, notSynced)
		return nil
	case g.fits(sum):
		if err := g.count(ctx, sum); err != nil {
			return err
		}
	case !g.waiver.covers(group):
		g.hold(group, ids, asked, tooMany)
		return nil
	}
	g.tell(group, ids, asked)
	return nil
}

func (g *guard) drop(group resource.Group) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.held, group)
}

func (g *guard) hold(group resource.Group, ids []event.ResourceVersion, asked time.Time, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	room := mostHeldIDs
	for _, h := range g.held {
		room -= len(h.ids)
	}
	if ids = ids[:min(len(ids), max(room, 0))]; len(ids) > 0 {
		g.held[group] = heldDeletes{ids: ids, asked: asked, reason: why}
	}
	g.log.Warn("held back deletes of resources that are unknown here", "cluster", group.Cluster,
		"dataType", string(group.DataType), "count", len(ids), "reason", why)
}

// fits tells whether a sum stays within what an hour may have.
func (g *guard) fits(sum tally) bool { return len(sum) <= g.live.Load().Resync.MaxDeletes }

// count takes a sum over, on disk first.
func (g *guard) count(ctx context.Context, sum tally) error {
	if maps.Equal(sum, g.told) {
		return nil
	}
	if err := sum.keep(ctx, g.store); err != nil {
		return fmt.Errorf("count deletes of unknown ids: %w", err)
	}
	g.told = sum
	return nil
}

func (g *guard) tell(group resource.Group, ids []event.ResourceVersion, asked time.Time) {
	for _, r := range ids {
		g.outbox.mark(group.Key(r.ResourceID), reason{unknown: true, askedAt: asked, version: r.ResourceVersion}, false)
	}
}

// release lets go what was held for a reason that no longer stands. Of the
// rest it knows the present reason.
func (g *guard) release(ctx context.Context) error {
	g.turn.Lock()
	defer g.turn.Unlock()
	for group, h := range g.holding() {
		if !g.synced(group) {
			continue
		}
		sum := g.told.with(group, h.ids)
		if !g.fits(sum) {
			g.mu.Lock()
			h.reason = tooMany
			g.held[group] = h
			g.mu.Unlock()
			continue
		}
		if err := g.count(ctx, sum); err != nil {
			return err
		}
		g.drop(group)
		g.tell(group, h.ids, h.asked)
	}
	return nil
}

// allow lets go, by hand, what was held because it was too much; that does not
// count. If there is no such thing yet it grants a waiver.
func (g *guard) allow() {
	g.turn.Lock()
	defer g.turn.Unlock()
	g.waiver = waiver{until: time.Now().Add(waiverTime), used: map[resource.Group]bool{}}
	for group, h := range g.holding() {
		if !g.synced(group) {
			continue
		}
		g.drop(group)
		g.tell(group, h.ids, h.asked)
		g.waiver = waiver{}
	}
}

// covers uses the waiver up for a group.
func (w *waiver) covers(group resource.Group) bool {
	if !time.Now().Before(w.until) || w.used[group] || len(w.used) >= mostWaiting {
		return false
	}
	w.used[group] = true
	return true
}

// holding is what is held at this moment.
func (g *guard) holding() map[resource.Group]heldDeletes {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.held)
}

func (g *guard) synced(group resource.Group) bool {
	return slices.ContainsFunc(g.scopes(), func(s resource.Scope) bool { return s.Covers(group.DataType, group.Cluster) })
}

// status lists what is held.
func (g *guard) status() []resource.HeldDelete {
	held := []resource.HeldDelete{}
	for group, h := range g.holding() {
		held = append(held, resource.HeldDelete{DataType: group.DataType, Cluster: group.Cluster, Count: len(h.ids), Reason: h.reason, At: h.asked})
	}
	return held
}
