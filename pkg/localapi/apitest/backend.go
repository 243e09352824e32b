// Package apitest is for tests of the local API and of its callers: an
// in-memory backend that keeps the API's rules, and a server for it on a real
// socket. It keeps nothing on disk and talks to no broker; what a broker would
// do is done by [Backend.SetState].
package apitest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// Name is the source id of a Backend of a source, and the source of all that
// Receive brings to one of an agent.
const Name = "hub1"

var _ localapi.Backend = (*Backend)(nil)

// Backend is a sidecar without a broker or a disk.
type Backend struct {
	mu       sync.Mutex
	role     resource.Role
	revision resource.Revision
	items    map[resource.Key]*resource.Resource
	log      []resource.WatchEvent // every change since the first
	lapsed   resource.Revision     // watches cannot resume before this
	changed  chan struct{}         // closed at each change
	work     work
	called   calls

	// Fail makes a call end with the error it returns; the name of the call
	// is the method's.
	Fail func(call string) error
	// Checks is what Ready answers.
	Checks []resource.Check
	// Info is what Status answers beside the counts.
	Info resource.Status
}

// calls is what the calls without a visible effect were asked.
type calls struct {
	resyncs  []resource.ResyncRequest
	scopes   []resource.Scope
	returned []string
	shutdown int
}

// New makes an empty backend with one queue, "resources".
func New(role resource.Role) *Backend {
	return &Backend{
		role:     role,
		revision: 100,
		items:    map[resource.Key]*resource.Resource{},
		changed:  make(chan struct{}),
		work:     newWork(),
		Checks:   []resource.Check{{Name: "broker"}, {Name: "subscribed"}, {Name: "store"}, {Name: "resync"}},
		Info:     resource.Status{Role: role, ID: Name, Version: "test", Connection: resource.ConnectionStatus{State: "connected", Broker: "broker:1883"}},
	}
}

func (b *Backend) fail(call string) error {
	if b.Fail == nil {
		return nil
	}
	return b.Fail(call)
}

// change stores the resource under the next revision and tells watchers and the
// queue. The lock is held.
func (b *Backend) change(kind string, res resource.Resource, reason string) *resource.Resource {
	b.revision++
	res.Revision = b.revision
	if kind == resource.WatchDeleted {
		delete(b.items, res.Key)
	} else {
		b.items[res.Key] = &res
	}
	b.log = append(b.log, resource.WatchEvent{Type: kind, Resource: &res})
	if reason != "" {
		b.work.add(res.Key, reason)
	}
	b.wake()
	return &res
}

func (b *Backend) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// find is the resource with that key; an empty source fits any. The lock is
// held.
func (b *Backend) find(key resource.Key) (*resource.Resource, error) {
	var found *resource.Resource
	for have, res := range b.items {
		if key.Source == "" {
			have.Source = ""
		}
		if have != key {
			continue
		}
		if found != nil {
			return nil, resource.Errorf(resource.Ambiguous, "two sources have %s; name one with ?source=", key.ID)
		}
		found = res
	}
	if found == nil {
		return nil, resource.Errorf(resource.NotFound, "there is no resource %s", key)
	}
	return found, nil
}

func (b *Backend) only(role resource.Role, call string) error {
	if b.role == role {
		return nil
	}
	return resource.Errorf(resource.Forbidden, "%s is a call of the %s's", call, role)
}

// Receive brings a spec to an agent, as if it came from its source.
func (b *Backend) Receive(res resource.Resource) *resource.Resource {
	b.mu.Lock()
	defer b.mu.Unlock()
	kind, reason := resource.WatchAdded, "created"
	if b.items[res.Key] != nil {
		kind, reason = resource.WatchModified, "updated"
	}
	if res.DeletionTimestamp != nil {
		reason = "deleting"
	}
	if res.Sync.State == "" {
		res.Sync.State = resource.Published // there is no status to publish
	}
	return b.change(kind, res, reason)
}

// SetState moves a resource on, as the broker and the other side would.
func (b *Backend) SetState(key resource.Key, state resource.SyncState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old, err := b.find(key)
	if err != nil {
		return
	}
	res := *old
	res.Sync.State = state
	b.change(resource.WatchModified, res, "")
}

// Confirm ends a deletion, as the agent would.
func (b *Backend) Confirm(key resource.Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if res, err := b.find(key); err == nil {
		b.change(resource.WatchDeleted, *res, "deleted")
	}
}

// Lapse makes every revision so far too old to resume a watch from.
func (b *Backend) Lapse() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lapsed = b.revision + 1
	b.revision++
}

// Get is localapi.Resources.
func (b *Backend) Get(_ context.Context, key resource.Key) (*resource.Resource, error) {
	if err := b.fail("Get"); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.find(key)
}

// List is localapi.Resources; its cursor is "REVISION/ID of the last".
func (b *Backend) List(_ context.Context, req resource.ListRequest) (*resource.List, error) {
	if err := b.fail("List"); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	revision, after, _ := strings.Cut(req.Continue, "/")
	if req.Continue != "" && revision != b.revision.String() {
		return nil, resource.Errorf(resource.Expired, "the cursor has lapsed; begin the list again")
	}
	list := &resource.List{Items: []*resource.Resource{}, Revision: b.revision}
	for _, res := range b.sorted() {
		if !selects(res, req.DataType, req.Cluster, req.Source) || req.State != "" && req.State != res.Sync.State || res.String() <= after {
			continue
		}
		if req.Limit > 0 && len(list.Items) == req.Limit {
			list.Continue = b.revision.String() + "/" + list.Items[req.Limit-1].String()
			break
		}
		list.Items = append(list.Items, res)
	}
	return list, nil
}

func (b *Backend) sorted() []*resource.Resource {
	return slices.SortedFunc(maps.Values(b.items), func(x, y *resource.Resource) int {
		return strings.Compare(x.String(), y.String())
	})
}

func selects(res *resource.Resource, dataType resource.DataType, cluster, source string) bool {
	return (dataType == "" || dataType == res.DataType) && (cluster == "" || cluster == res.Cluster) && (source == "" || source == res.Source)
}

func now() *time.Time {
	t := time.Now().UTC().Truncate(time.Microsecond)
	return &t
}
