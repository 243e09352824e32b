package apitest

import (
	"context"
	"iter"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Apply is localapi.Resources.
func (b *Backend) Apply(ctx context.Context, req resource.ApplyRequest, batches iter.Seq2[[]resource.ApplyItem, error]) (*resource.ApplyResult, error) {
	if err := b.fail("Apply"); err != nil {
		return nil, err
	}
	if err := b.only(resource.Source, "apply"); err != nil {
		return nil, err
	}
	result, seen := &resource.ApplyResult{}, map[string]bool{}
	for batch, err := range batches {
		if err != nil {
			return nil, err
		}
		for _, item := range batch {
			seen[item.Put.Key.ID] = true
			b.applyOne(ctx, item, result)
		}
	}
	if req.Prune == nil || result.Failed > 0 {
		return result, nil
	}
	result.Deleted = b.prune(*req.Prune, seen)
	return result, b.Synced(ctx, *req.Prune)
}

func (b *Backend) applyOne(ctx context.Context, item resource.ApplyItem, result *resource.ApplyResult) {
	before := b.at()
	err := item.Err
	if err == nil {
		_, _, err = b.Put(ctx, item.Put)
	}
	switch {
	case err != nil:
		result.Fail(item.Line, item.Put.Key, err)
	case b.at() != before:
		result.Applied++
	default:
		result.Unchanged++
	}
}

func (b *Backend) at() resource.Revision {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.revision
}

func (b *Backend) prune(scope resource.Scope, seen map[string]bool) (deleted int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, res := range b.sorted() {
		if scope.Covers(res.DataType, res.Cluster) && !seen[res.ID] {
			b.change(resource.WatchDeleted, *res, "deleted")
			deleted++
		}
	}
	return deleted
}
