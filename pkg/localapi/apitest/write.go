package apitest

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Put is localapi.Resources.
func (b *Backend) Put(_ context.Context, req resource.PutRequest) (*resource.Resource, bool, error) {
	if err := b.fail("Put"); err != nil {
		return nil, false, err
	}
	if err := b.only(resource.Source, "put"); err != nil {
		return nil, false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if req.Key.Source != "" && req.Key.Source != Name {
		return nil, false, resource.Errorf(resource.InvalidArgument, "source %q is not this sidecar's", req.Key.Source)
	}
	req.Key.Source = Name
	old := b.items[req.Key]
	if err := guard(old, req); err != nil {
		return nil, false, err
	}
	next := resource.Resource{Key: req.Key, Metadata: req.Metadata, Version: max(1, req.Version)}
	setSpec(&next, req.Spec)
	if old == nil {
		next.Sync.State = resource.Pending
		return b.change(resource.WatchAdded, next, ""), true, nil
	}
	if sameSpec(old, &next) {
		return old, false, nil
	}
	next.Version = max(old.Version+1, req.Version)
	next.Status, next.StatusVersion = old.Status, old.StatusVersion
	next.Sync = resource.Sync{State: resource.Pending, PublishedVersion: old.Sync.PublishedVersion}
	return b.change(resource.WatchModified, next, ""), false, nil
}

func guard(old *resource.Resource, req resource.PutRequest) error {
	switch {
	case old != nil && old.DeletionTimestamp != nil:
		return resource.Errorf(resource.DeletingCode, "the resource is being deleted; put it again when it is gone")
	case old != nil && req.IfNoneMatch:
		return resource.Errorf(resource.PreconditionFailed, "the resource exists")
	case req.IfMatch != nil && (old == nil || old.Revision != *req.IfMatch):
		return resource.Errorf(resource.PreconditionFailed, "the resource has changed since; get it again")
	}
	return nil
}

func setSpec(res *resource.Resource, spec resource.Payload) {
	if spec.ContentType == resource.JSONContentType {
		res.Spec = spec.Data
		return
	}
	res.SpecBase64, res.ContentType = spec.Data, spec.ContentType
}

func sameSpec(x, y *resource.Resource) bool {
	return bytes.Equal(x.Spec, y.Spec) && bytes.Equal(x.SpecBase64, y.SpecBase64) && bytes.Equal(x.Metadata, y.Metadata)
}

// SetStatus is localapi.Resources.
func (b *Backend) SetStatus(_ context.Context, req resource.StatusRequest) (*resource.Resource, error) {
	if err := b.fail("SetStatus"); err != nil {
		return nil, err
	}
	if err := b.only(resource.Agent, "put status"); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.setStatus(req)
}

func (b *Backend) setStatus(req resource.StatusRequest) (*resource.Resource, error) {
	old, err := b.find(req.Key)
	if err != nil {
		return nil, err
	}
	version := req.Version
	if version == 0 {
		version = old.Version
	}
	if version > old.Version || version < old.StatusVersion {
		return nil, resource.Errorf(resource.Conflict, "version %d is not from %d to %d", version, old.StatusVersion, old.Version)
	}
	next := *old
	next.Status, next.StatusVersion = req.Status, version
	next.Sync.State = resource.Pending
	return b.change(resource.WatchModified, next, ""), nil
}

// Patch is localapi.Resources.
func (b *Backend) Patch(ctx context.Context, req resource.PatchRequest) (*resource.Resource, error) {
	if err := b.fail("Patch"); err != nil {
		return nil, err
	}
	old, err := b.Get(ctx, req.Key)
	if err != nil {
		return nil, err
	}
	if req.OfStatus {
		return b.SetStatus(ctx, resource.StatusRequest{Key: req.Key, Status: merge(old.Status, req.Patch), Version: req.Version})
	}
	var merged struct{ Spec, Metadata json.RawMessage }
	whole, _ := json.Marshal(resource.Resource{Spec: old.Spec, Metadata: old.Metadata})
	if err := json.Unmarshal(merge(whole, req.Patch), &merged); err != nil || len(merged.Spec) == 0 {
		return nil, resource.Errorf(resource.InvalidArgument, "the patch leaves no spec").WithField("/spec")
	}
	res, _, err := b.Put(ctx, resource.PutRequest{Key: old.Key, Spec: resource.Payload{Data: merged.Spec, ContentType: resource.JSONContentType}, Metadata: merged.Metadata, Version: req.Version, IfMatch: req.IfMatch})
	return res, err
}

// merge is RFC 7386; both are JSON.
func merge(target, patch json.RawMessage) json.RawMessage {
	var changes map[string]json.RawMessage
	if json.Unmarshal(patch, &changes) != nil || changes == nil {
		return patch
	}
	merged := map[string]json.RawMessage{}
	_ = json.Unmarshal(target, &merged)
	if merged == nil {
		merged = map[string]json.RawMessage{}
	}
	for name, change := range changes {
		if string(change) == "null" {
			delete(merged, name)
			continue
		}
		merged[name] = merge(merged[name], change)
	}
	out, _ := json.Marshal(merged)
	return out
}

// Delete is localapi.Resources.
func (b *Backend) Delete(_ context.Context, req resource.DeleteRequest) (*resource.Resource, bool, error) {
	if err := b.fail("Delete"); err != nil {
		return nil, false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	res, err := b.find(req.Key)
	if err != nil {
		return nil, false, err
	}
	if req.IfMatch != nil && *req.IfMatch != res.Revision {
		return nil, false, resource.Errorf(resource.PreconditionFailed, "the resource has changed since; get it again")
	}
	if b.role == resource.Agent {
		return b.confirm(res)
	}
	if req.Force || res.Sync.State == resource.Pending {
		b.change(resource.WatchDeleted, *res, "deleted")
		return nil, true, nil
	}
	if res.DeletionTimestamp != nil {
		return res, false, nil
	}
	next := *res
	next.DeletionTimestamp, next.Sync.State = now(), resource.Deleting
	return b.change(resource.WatchModified, next, ""), false, nil
}

func (b *Backend) confirm(res *resource.Resource) (*resource.Resource, bool, error) {
	if res.DeletionTimestamp == nil {
		return nil, false, resource.Errorf(resource.Conflict, "the source has not deleted it")
	}
	b.change(resource.WatchDeleted, *res, "")
	return nil, true, nil
}

// DeleteCluster is localapi.Resources.
func (b *Backend) DeleteCluster(_ context.Context, cluster string) (int, error) {
	if err := b.fail("DeleteCluster"); err != nil {
		return 0, err
	}
	if err := b.only(resource.Source, "delete of a cluster"); err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	deleted := 0
	for _, res := range b.sorted() {
		if res.Cluster == cluster {
			b.change(resource.WatchDeleted, *res, "deleted")
			deleted++
		}
	}
	return deleted, nil
}
