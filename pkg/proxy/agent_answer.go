package proxy

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/resync"
	"github.com/pillion-dev/pillion/pkg/store"
)

// answer tells a source the statuses that differ from those it listed
// (docs/protocol.md, Resync, 2).
func (a *agent) answer(_ context.Context, e *event.Event) error {
	req, err := event.DecodeStatusRequest(e.Payload.Data)
	if err != nil {
		return err
	}
	group := a.group(e.Source, e.Type.DataType)
	ids := resync.AnswerStatuses(req, statusEntries(a.store.Group(group), len(req.StatusHashes) > 0))
	a.answerWith(ids, group, reason{response: true, askedAt: askedAt(e)})
	a.traceAnswered(e, "listed", len(req.StatusHashes), "sends", len(ids))
	return nil
}

// statusEntries includes tombstones for a source that still lists them: they
// say that the resource is deleted.
func statusEntries(metas []*store.Meta, tombstones bool) iter.Seq[resync.StatusEntry] {
	return func(yield func(resync.StatusEntry) bool) {
		for _, m := range metas {
			if !m.Visible() && !tombstones {
				continue
			}
			// An empty RawHash means "the same": listed as it is, it would be
			// equal to what a source lists that holds no status.
			e := resync.StatusEntry{ID: m.Key.ID, Hash: m.StatusHash, RawHash: cmp.Or(m.RawHash, m.StatusHash), HasStatus: m.HasStatus}
			if !yield(e) {
				return
			}
		}
	}
}

// questions are the sources and data types of which there are resources.
func (a *agent) questions() []question {
	var all []question
	for _, g := range a.store.Groups() {
		if g.Cluster == a.opts.Cluster {
			all = append(all, question{peer: g.Source, dataType: g.DataType})
		}
	}
	return all
}

func (a *agent) group(source string, d resource.DataType) resource.Group {
	return resource.Group{DataType: d, Source: source, Cluster: a.opts.Cluster}
}

// requests asks a source for what is newer than what is held of it. With no
// peer it asks every source, with all that is held.
func (a *agent) requests(q *question, maxPayload int) ([]*event.Event, error) {
	var held []event.ResourceVersion
	for _, g := range a.store.Groups() {
		if g.DataType == q.dataType && g.Cluster == a.opts.Cluster && (q.peer == "" || q.peer == g.Source) {
			held = a.appendHeld(held, g)
		}
	}
	slices.SortFunc(held, compareIDs)
	req, next := resync.CutSpecs(held, maxPayload, q.from)
	q.next = next
	e, err := requestEvent(event.SubSpec, q.dataType, req)
	if err != nil {
		return nil, err
	}
	e.Source, e.Cluster, e.OriginalSource = a.opts.ID, a.opts.Cluster, q.peer
	return []*event.Event{e}, nil
}

func (a *agent) appendHeld(held []event.ResourceVersion, g resource.Group) []event.ResourceVersion {
	for _, m := range a.store.Group(g) {
		if m.Visible() {
			held = append(held, event.ResourceVersion{ResourceID: m.Key.ID, ResourceVersion: m.Version, Source: g.Source})
		}
	}
	return held
}

func compareIDs(x, y event.ResourceVersion) int {
	switch {
	case x.ResourceID < y.ResourceID:
		return -1
	case x.ResourceID > y.ResourceID:
		return 1
	}
	return 0
}
