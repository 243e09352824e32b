package apitest

import (
	"context"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Await is localapi.Resources.
func (b *Backend) Await(ctx context.Context, key resource.Key, version int64, state resource.WaitFor) (*resource.Resource, error) {
	if err := b.fail("Await"); err != nil {
		return nil, err
	}
	for {
		b.mu.Lock()
		res, err := b.find(key)
		changed := b.changed
		b.mu.Unlock()
		if err != nil {
			return nil, nil
		}
		if res.Version >= version && reached(res.Sync.State, state) {
			return res, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, &resource.Error{Code: resource.DeadlineExceeded, Detail: "not reached in time", Resource: res}
		}
	}
}

func reached(have resource.SyncState, want resource.WaitFor) bool {
	return have == resource.Observed || want == resource.WaitPublished && have == resource.Published
}

// Watch is localapi.Resources.
func (b *Backend) Watch(ctx context.Context, req resource.WatchRequest, send func([]resource.WatchEvent) error) error {
	if err := b.fail("Watch"); err != nil {
		return err
	}
	at, first, err := b.begin(req)
	if err != nil {
		return err
	}
	if err := send(first); err != nil {
		return err
	}
	for {
		batch, changed, lapsed := b.after(&at, req)
		if lapsed {
			return resource.Errorf(resource.Expired, "revision %s has lapsed; start again without since", at)
		}
		if len(batch) > 0 {
			if err := send(batch); err != nil {
				return err
			}
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin is the revision that a watch goes on from, and what it says first.
func (b *Backend) begin(req resource.WatchRequest) (resource.Revision, []resource.WatchEvent, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if req.Since != nil {
		if *req.Since < b.lapsed {
			return 0, nil, resource.Errorf(resource.Expired, "revision %s has lapsed; start again without since", *req.Since)
		}
		return *req.Since, nil, nil
	}
	var first []resource.WatchEvent
	for _, res := range b.sorted() {
		if selects(res, req.DataType, req.Cluster, req.Source) {
			first = append(first, resource.WatchEvent{Type: resource.WatchAdded, Resource: res})
		}
	}
	return b.revision, append(first, resource.WatchEvent{Type: resource.WatchSynced, Revision: b.revision}), nil
}

func (b *Backend) after(at *resource.Revision, req resource.WatchRequest) (batch []resource.WatchEvent, changed chan struct{}, lapsed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if *at < b.lapsed {
		return nil, nil, true
	}
	for _, event := range b.log {
		if event.Resource.Revision > *at && selects(event.Resource, req.DataType, req.Cluster, req.Source) {
			batch = append(batch, event)
		}
	}
	if len(batch) == 0 && b.revision > *at {
		batch = []resource.WatchEvent{{Type: resource.WatchBookmark, Revision: b.revision}}
	}
	*at = b.revision
	return batch, b.changed, false
}

// Bookmark moves the revision on without a change that anyone watches, of which
// watchers learn by a bookmark.
func (b *Backend) Bookmark() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.revision++
	b.wake()
}
