package workapi

import (
	"context"
	"time"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// A work has one name here for as long as it lives, over restarts too: the one
// of its metadata, or, if another work of the cluster has that, an alias. An
// alias is on disk before anybody is shown it, so names are found again in the
// order in which works came, whatever has gone meanwhile.

// nameOf is the name of a work: of a record that was shown, or was last seen.
func nameOf(key resource.Key, metadata []byte, alias string) string {
	if alias != "" {
		return alias
	}
	return manifestwork.Name(key, metadata)
}

// free is the place of a new work. A name that another one has stays with that.
func (h *hub) free(rec *store.Record) place {
	name := nameOf(rec.Key, rec.Metadata, rec.Alias)
	p := place{rec.Key.Cluster, name}
	if h.places[p] != nil {
		p.name = manifestwork.IDName(rec.Key)
	}
	if h.places[p] != nil {
		p.name = manifestwork.ID(rec.Key.Source, rec.Key.Cluster, string(rec.Key.DataType)+rec.Key.ID)
	}
	if p.name != name {
		h.aliases[rec.Key] = p.name
	}
	return p
}

// nameAgain is how long is waited before an alias that could not be stored is
// tried again.
const nameAgain = time.Second

// keepAliases stores the aliases that were given, before mu is released and so
// before anybody is shown them. Only the end of ctx ends it without: a disk that
// is full lets nothing new come either.
func (h *hub) keepAliases(ctx context.Context) error {
	for len(h.aliases) > 0 {
		err := h.engine.NameWorks(ctx, h.aliases)
		if err == nil {
			clear(h.aliases)
			return nil
		}
		h.log.Warn("cannot store the names of works, trying again", "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(nameAgain):
		}
	}
	return nil
}

// loadInherited finds the works that came while another one had their name and
// have it now, because both happened before they were first asked for. In the
// history they are new when the other one goes.
func (h *hub) loadInherited() error {
	lines, err := h.store.Log(h.store.Floor(), 0)
	for resource.CodeOf(err) == resource.Expired && err != nil {
		lines, err = h.store.Log(h.store.Floor(), 0)
	}
	for _, line := range lines {
		if line.Kind != store.Deleted || line.Last == nil || !manifestwork.Is(line.Key.DataType) {
			continue
		}
		heir := h.places[placeOfLast(line)]
		if heir != nil && heir.key != line.Key && line.Last.Created < heir.created && heir.created < line.Revision {
			h.inherited[heir.key] = line.Revision
		}
	}
	return err
}

// placeOfLast is where a work was that is gone.
func placeOfLast(e store.LogEntry) place {
	return place{e.Key.Cluster, nameOf(e.Key, e.Last.Metadata, e.Last.Alias)}
}

// heirOf tells of a deletion in the history that was read what became of the
// name: whether the work that is gone ever had it, and the key of the one that
// has it from that moment on, if there is one.
func (h *hub) heirOf(e store.LogEntry) (had bool, heir *resource.Key) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	now := h.places[placeOfLast(e)]
	switch {
	case now == nil || now.key == e.Key:
		return true, nil
	case now.created < e.Last.Created:
		return false, nil
	case h.inherited[now.key] == e.Revision:
		return true, &now.key
	}
	return true, nil
}

// inheritedAt is when a work got the name that it has; 0 = when it came.
func (h *hub) inheritedAt(key resource.Key) resource.Revision {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.inherited[key]
}
