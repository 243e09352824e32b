package proxy

import (
	"context"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// NameWorks stores the names by which the Kubernetes API knows works that cannot
// have the one of their metadata. That is no change for anybody: no revision, no
// event.
func (p *Proxy) NameWorks(ctx context.Context, names map[resource.Key]string) error {
	return p.store.Update(ctx, func(tx *store.Tx) error {
		for key, name := range names {
			if m := tx.Meta(key); m.Visible() {
				named := *m
				named.Alias = name
				tx.Put(named, store.Write{})
			}
		}
		return nil
	})
}

// keepName makes the name that a work has its alias, if an event calls it by
// another one: here a work has one name for as long as it lives.
func (a *agent) keepName(tx *store.Tx, m *store.Meta, e *event.Event) error {
	if m.Alias != "" || !manifestwork.Is(m.Key.DataType) || !a.live.Load().Works.Enabled {
		return nil
	}
	rec, err := tx.Record(m.Key)
	if err != nil {
		return err
	}
	if before := manifestwork.Name(m.Key, rec.Metadata); before != manifestwork.Name(m.Key, []byte(e.Metadata)) {
		m.Alias = before
	}
	return nil
}
