package proxy

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// Role is the side that this proxy speaks.
func (p *Proxy) Role() resource.Role { return p.opts.Role }

// resolve completes a key whose source may be left out: at a source it is the
// source itself, at an agent whatever source has that id.
func (p *Proxy) resolve(k resource.Key) (resource.Key, error) {
	if p.opts.Role == resource.Source {
		if k.Source != "" && k.Source != p.opts.ID {
			return k, resource.Errorf(resource.NotFound, "this is the source %s: it holds nothing of source %s", p.opts.ID, k.Source)
		}
		k.Source = p.opts.ID
	}
	if k.Source != "" {
		return k, k.Validate()
	}
	found := p.store.Find(k.DataType, k.Cluster, k.ID)
	switch len(found) {
	case 1:
		return found[0].Key, nil
	case 0:
		return k, notFound(k)
	}
	return k, ambiguous(found)
}

// ambiguous names the sources that an app, or whoever uses the command line, has
// to choose from.
func ambiguous(found []*store.Meta) error {
	names := make([]string, len(found))
	for i, m := range found {
		names[i] = m.Key.Source
	}
	slices.Sort(names)
	if len(names) > mostNamed {
		names = append(names[:mostNamed], "…")
	}
	return resource.Errorf(resource.Ambiguous, "%d sources have a resource of that id (%s): name one as the source, source= in a query and --source on the command line",
		len(found), strings.Join(names, ", "))
}

// mostNamed bounds the names in an error.
const mostNamed = 10

// Put declares a resource at a source.
func (p *Proxy) Put(ctx context.Context, req resource.PutRequest) (*resource.Resource, bool, error) {
	s, ok := p.side.(*source)
	if !ok {
		return nil, false, errDeclares()
	}
	if err := p.admit(&req); err != nil {
		return nil, false, err
	}
	key := req.Key
	var created bool
	res, err := p.write(ctx, key, func(tx *store.Tx) (err error) {
		created, err = s.put(tx, req)
		return err
	})
	return res, created, err
}

// admit completes the key of a request and checks all that needs no look at
// what is stored.
func (p *Proxy) admit(req *resource.PutRequest) (err error) {
	if req.Key, err = p.resolve(req.Key); err != nil {
		return err
	}
	if err := p.configured(req.Key.DataType); err != nil {
		return err
	}
	return p.checkPut(req)
}

func (p *Proxy) configured(d resource.DataType) error {
	if p.live.Load().handles(d) {
		return nil
	}
	return resource.Errorf(resource.InvalidArgument, "data type %s is not one of this sidecar's: add it to dataTypes in its configuration", d)
}

func errDeclares() error {
	return forbidden("an agent does not declare resources: its sources do")
}

// maxMetadata is what fits into an MQTT user property.
const maxMetadata = 60 << 10

func (p *Proxy) checkPut(req *resource.PutRequest) error {
	if err := checkPut(req); err != nil {
		return err
	}
	return p.checkWork(req)
}

func checkPut(req *resource.PutRequest) error {
	switch {
	case req.Version < 0 || req.Version > resource.MaxVersion:
		return resource.Errorf(resource.InvalidArgument, "version must be 1 to %d", resource.MaxVersion).WithField("/version")
	case len(req.Metadata) > maxMetadata:
		return resource.Errorf(resource.TooLarge, "metadata has %d bytes; at most %d fit into an event", len(req.Metadata), maxMetadata).WithField("/metadata")
	case string(req.Metadata) == "null":
		req.Metadata = nil
	case len(req.Metadata) > 0 && !isObject(req.Metadata):
		return resource.Errorf(resource.InvalidArgument, "metadata must be a JSON object").WithField("/metadata")
	}
	return nil
}

// SetStatus stores and reports a status at an agent.
func (p *Proxy) SetStatus(ctx context.Context, req resource.StatusRequest) (*resource.Resource, error) {
	a, ok := p.side.(*agent)
	if !ok {
		return nil, forbidden("a source does not report status: its agents do")
	}
	key, err := p.resolve(req.Key)
	if err != nil {
		return nil, err
	}
	if !isObject(req.Status) {
		return nil, resource.Errorf(resource.InvalidArgument, "status must be a JSON object")
	}
	return p.write(ctx, key, func(tx *store.Tx) error {
		if err := matches(tx.Meta(key), req.IfMatch); err != nil {
			return err
		}
		return a.setStatus(tx, key, req.Status, req.Version)
	})
}

// Patch merges into what Put or SetStatus take.
func (p *Proxy) Patch(ctx context.Context, req resource.PatchRequest) (*resource.Resource, error) {
	if req.OfStatus != (p.opts.Role == resource.Agent) {
		return nil, forbidden("a source patches resources, an agent patches their status")
	}
	key, err := p.resolve(req.Key)
	if err != nil {
		return nil, err
	}
	return p.write(ctx, key, func(tx *store.Tx) error {
		rec, err := tx.Record(key)
		if err != nil {
			return err
		}
		if !rec.Visible() {
			return notFound(key)
		}
		if err := matches(rec.Meta, req.IfMatch); err != nil {
			return err
		}
		if req.OfStatus {
			return p.patchStatus(tx, rec, req)
		}
		return p.patchSpec(tx, rec, req)
	})
}

func (p *Proxy) patchStatus(tx *store.Tx, rec *store.Record, req resource.PatchRequest) error {
	status, err := merge(rec.Status, req.Patch)
	if err != nil {
		return err
	}
	if err := checkMerged(req, "status", status); err != nil {
		return err
	}
	return p.side.(*agent).setStatus(tx, rec.Key, status, req.Version)
}

func (p *Proxy) patchSpec(tx *store.Tx, rec *store.Record, req resource.PatchRequest) error {
	merged, err := mergeSpec(rec, req.Patch)
	if err != nil {
		return err
	}
	if err := checkMerged(req, "spec with its metadata", merged.Spec, merged.Metadata); err != nil {
		return err
	}
	put := resource.PutRequest{Key: rec.Key, Metadata: merged.Metadata, Version: req.Version,
		Spec: resource.Payload{Data: merged.Spec, ContentType: rec.ContentType}}
	if err := p.checkPut(&put); err != nil {
		return err
	}
	_, err = p.side.(*source).put(tx, put)
	return err
}

// mergeSpec is a patch applied to spec and metadata. A spec that is not JSON can
// only stay as it is.
func mergeSpec(rec *store.Record, patch []byte) (merged specBody, err error) {
	body := specBody{Metadata: rec.Metadata}
	if isJSON(rec.ContentType) {
		body.Spec = rec.Spec
	}
	doc, err := encodeValue(body)
	if err != nil {
		return merged, err
	}
	if doc, err = merge(doc, patch); err != nil {
		return merged, err
	}
	if err := json.Unmarshal(doc, &merged); err != nil {
		return merged, resource.Errorf(resource.InvalidArgument, "the merged resource is not valid: %w", err)
	}
	empty := len(merged.Spec) == 0 || string(merged.Spec) == "null"
	switch {
	case !isJSON(rec.ContentType) && !empty:
		return merged, resource.Errorf(resource.Conflict, "the spec is not JSON and cannot be merged: put it whole")
	case !isJSON(rec.ContentType):
		merged.Spec = rec.Spec
	case empty:
		return merged, resource.Errorf(resource.InvalidArgument, "the merged resource has no spec").WithField("/spec")
	}
	return merged, nil
}

type specBody struct {
	Spec     json.RawMessage `json:"spec,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

// checkMerged holds what came of a patch against the limit that a PUT of it
// would meet.
func checkMerged(req resource.PatchRequest, what string, parts ...[]byte) error {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	if req.MaxBytes == 0 || int64(size) <= req.MaxBytes {
		return nil
	}
	return resource.Errorf(resource.TooLarge, "the merged %s has %d bytes, more than the %d of limits.maxResourceBytes", what, size, req.MaxBytes)
}

// Delete asks for deletion at a source, and confirms it at an agent.
func (p *Proxy) Delete(ctx context.Context, req resource.DeleteRequest) (*resource.Resource, bool, error) {
	key, err := p.resolve(req.Key)
	if err != nil {
		return nil, false, err
	}
	req.Key = key
	done := true
	res, err := p.write(ctx, key, func(tx *store.Tx) (err error) {
		switch side := p.side.(type) {
		case *source:
			done, err = side.remove(tx, req)
		case *agent:
			err = side.remove(tx, req)
		}
		return err
	})
	return res, done, err
}

// DeleteCluster forgets every resource of a cluster that is no more.
func (p *Proxy) DeleteCluster(ctx context.Context, cluster string) (int, error) {
	s, ok := p.side.(*source)
	if !ok {
		return 0, forbidden("an agent does not delete resources: their sources do")
	}
	var keys []resource.Key
	for m := range p.store.All() {
		if m.Visible() && m.Key.Cluster == cluster {
			keys = append(keys, m.Key)
		}
	}
	deleted := 0
	for chunk := range slices.Chunk(keys, chunkSize) {
		err := p.store.Update(ctx, func(tx *store.Tx) error {
			for _, key := range chunk {
				if _, err := s.remove(tx, resource.DeleteRequest{Key: key, Force: true}); err != nil && resource.CodeOf(err) != resource.NotFound {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return deleted, err
		}
		deleted += len(chunk)
	}
	return deleted, nil
}

// write commits one change of one resource and returns what it is then; nil if
// it is gone.
func (p *Proxy) write(ctx context.Context, key resource.Key, change func(*store.Tx) error) (res *resource.Resource, err error) {
	err = p.store.Update(ctx, func(tx *store.Tx) error {
		if err := change(tx); err != nil {
			return err
		}
		rec, err := tx.Record(key)
		if err != nil {
			if resource.CodeOf(err) == resource.NotFound {
				return nil
			}
			return err
		}
		if rec.Visible() {
			res = p.view(rec)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// Await returns the resource once it has reached the state; nil once it is
// gone, also if it was made anew. At an agent one whose deletion was confirmed
// has gone to published when the broker has taken that word.
func (p *Proxy) Await(ctx context.Context, key resource.Key, version int64, state resource.WaitFor) (*resource.Resource, error) {
	if m := p.confirming(key); m != nil && state == resource.WaitPublished {
		return nil, p.awaitConfirmed(ctx, m)
	}
	key, err := p.resolve(key)
	if err != nil {
		return nil, ignoreNotFound(err)
	}
	if p.opts.Role == resource.Agent && state == resource.WaitObserved {
		return nil, resource.Errorf(resource.InvalidArgument, "an agent can wait for published only: nobody tells it what the source has observed")
	}
	var born resource.Revision
	for {
		changed := p.store.Changed()
		m := p.store.Meta(key)
		if !m.Visible() || born != 0 && born != m.CreatedRevision {
			return nil, nil
		}
		born = m.CreatedRevision
		if p.reached(m, version, state) {
			return p.Get(ctx, key)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, p.tooLate(key, m, state)
		}
	}
}

func (p *Proxy) reached(m *store.Meta, version int64, state resource.WaitFor) bool {
	living := p.opts.Role == resource.Source && m.Deleting.IsZero()
	if state == resource.WaitPublished {
		return !m.Out.Pending || living && m.Out.PublishedVersion >= version
	}
	return living && m.HasStatus && m.StatusVersion >= version && !m.Out.ObservedAt.IsZero()
}

func (p *Proxy) tooLate(key resource.Key, m *store.Meta, state resource.WaitFor) error {
	err := resource.Errorf(resource.DeadlineExceeded, "stored, but not %s in time: it is %s; the sidecar goes on trying", state, p.side.state(m))
	if rec, readErr := p.store.Get(key); readErr == nil {
		err.Resource = p.view(rec)
	}
	return err
}

func ignoreNotFound(err error) error {
	if resource.CodeOf(err) == resource.NotFound {
		return nil
	}
	return err
}

func forbidden(format string, args ...any) error {
	return resource.Errorf(resource.Forbidden, format, args...)
}
