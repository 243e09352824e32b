package proxy

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// Apply declares many resources at a source, a batch in each commit, and
// deletes what of the scope to prune was there before and is not among them, if
// all of them are good.
func (p *Proxy) Apply(ctx context.Context, req resource.ApplyRequest, batches iter.Seq2[[]resource.ApplyItem, error]) (*resource.ApplyResult, error) {
	s, ok := p.side.(*source)
	if !ok {
		return nil, errDeclares()
	}
	a := &applying{source: s, result: &resource.ApplyResult{}}
	if err := a.aim(req.Prune); err != nil {
		return nil, err
	}
	for batch, err := range batches {
		if err == nil {
			err = a.put(ctx, batch)
		}
		if err != nil {
			return nil, err
		}
	}
	return a.result, a.prune(ctx)
}

// applying is one call of Apply.
type applying struct {
	*source
	result *resource.ApplyResult
	scope  *resource.Scope
	// surplus is what there was in the scope at the beginning and has not been
	// among the items yet: when it was created, by id. So memory grows with what
	// the store holds, whatever the caller sends.
	surplus map[string]resource.Revision
}

// aim notes what there is to prune.
func (a *applying) aim(scope *resource.Scope) error {
	if scope == nil {
		return nil
	}
	if err := a.configured(scope.DataType); err != nil {
		return err
	}
	a.scope, a.surplus = scope, map[string]resource.Revision{}
	for _, m := range a.store.Group(a.group(scope.Cluster, scope.DataType)) {
		if m.Visible() && m.Deleting.IsZero() {
			a.surplus[m.Key.ID] = m.CreatedRevision
		}
	}
	return nil
}

// put commits a batch. The items that fail are counted; an error means that
// the caller has gone.
func (a *applying) put(ctx context.Context, batch []resource.ApplyItem) error {
	changed := make([]bool, len(batch))
	for i := range batch {
		item := &batch[i]
		delete(a.surplus, item.Put.Key.ID)
		if item.Err == nil {
			item.Err = a.admit(&item.Put)
		}
	}
	err := a.store.Update(ctx, func(tx *store.Tx) error {
		for i := range batch {
			if item := &batch[i]; item.Err == nil {
				changed[i], item.Err = a.putOne(tx, item.Put)
			}
		}
		return nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && resource.CodeOf(err) == resource.Internal {
		a.log.Error("a batch of an apply was not stored", "items", len(batch), "error", err)
	}
	a.count(batch, changed, err)
	return nil
}

// putOne stores one item, and tells whether that changed anything.
func (a *applying) putOne(tx *store.Tx, req resource.PutRequest) (changed bool, err error) {
	before := tx.NextRevision()
	_, err = a.source.put(tx, req)
	return tx.NextRevision() != before, err
}

// count adds up a batch; failed is why none of it was stored.
func (a *applying) count(batch []resource.ApplyItem, changed []bool, failed error) {
	for i, item := range batch {
		if item.Err == nil {
			item.Err = failed
		}
		switch {
		case item.Err != nil:
			a.result.Fail(item.Line, item.Put.Key, item.Err)
		case changed[i]:
			a.result.Applied++
		default:
			a.result.Unchanged++
		}
	}
}

// prune deletes what is left over, and remembers that the scope is declared
// completely (docs/api.md, "No deletion storm").
func (a *applying) prune(ctx context.Context) error {
	if a.scope == nil || a.result.Failed > 0 {
		return nil
	}
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(a.surplus)), chunkSize) {
		if err := a.removeAll(ctx, ids); err != nil {
			return err
		}
	}
	return a.Synced(ctx, *a.scope)
}

func (a *applying) removeAll(ctx context.Context, ids []string) error {
	deleted := 0
	err := a.store.Update(ctx, func(tx *store.Tx) error {
		for _, id := range ids {
			key := a.group(a.scope.Cluster, a.scope.DataType).Key(id)
			m := tx.Meta(key)
			if !m.Visible() || !m.Deleting.IsZero() || m.CreatedRevision != a.surplus[id] {
				continue // it was deleted meanwhile
			}
			if _, err := a.remove(tx, resource.DeleteRequest{Key: key}); err != nil {
				return err
			}
			deleted++
		}
		return nil
	})
	if err == nil {
		a.result.Deleted += deleted
	}
	return err
}
