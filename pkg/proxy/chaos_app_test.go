package proxy_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/proxy"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// node is a sidecar with its app: they come and go together.
type node struct {
	*client
	story *chaos
	role  resource.Role
	dir   string
	calm  atomic.Bool // the app answers everything, as it should

	*process

	mu     sync.Mutex
	memory map[resource.Key]*remembered // what an agent's app knows
}

// process is one run of a node.
type process struct {
	*proxy.Proxy
	store *store.Store
	dead  atomic.Bool // what it still does never happened
	stop  context.CancelFunc
	ended sync.WaitGroup
}

// remembered is what the app knows of a key.
type remembered struct {
	version  int64     // the newest seen in this life
	leased   time.Time // until when
	deleted  time.Time // deletion timestamp of the last life, once it is confirmed
	anything bool      // whether a confirmation came through is not known
}

func (n *node) start() {
	n.process = &process{}
	var err error
	if n.store, err = store.Open(store.Options{Dir: n.dir}); err != nil {
		n.fail("open the store of %s: %v", n.name, err)
	}
	live := settings()
	live.Resync.MaxDeletes = 1000
	n.Proxy, err = proxy.New(proxy.Options{Role: n.role, ID: n.id(), Cluster: n.name, Store: n.store, Driver: n.client,
		Live: live, Log: n.story.log.With("node", n.name)})
	if err != nil {
		n.fail("start %s: %v", n.name, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	p := n.process
	p.ended.Go(func() {
		if err := p.Run(ctx); err != nil {
			n.fail("run %s: %v", n.name, err)
		}
	})
	p.ended.Go(func() { n.watch(ctx, p) })
	for range 2 {
		random := rand.New(rand.NewPCG(n.story.random.Uint64(), 0))
		p.ended.Go(func() { n.app(ctx, p, random) })
	}
}

func (n *node) id() string {
	if n.role == resource.Source {
		return n.name
	}
	return n.name + "-agent"
}

// end ends the process; an orderly end publishes what is pending.
func (n *node) end() {
	n.stop()
	n.ended.Wait()
	if err := n.store.Check(); err != nil {
		n.fail("store of %s: %v", n.name, err)
	}
	if err := n.store.Close(); err != nil {
		n.fail("close %s: %v", n.name, err)
	}
}

// kill ends the process as kill -9 does between two commits, and leaves the
// folder as it was then.
func (n *node) kill() {
	dir := n.copyDir()
	n.process.dead.Store(true)
	n.refuse(true)
	n.cut()
	n.end()
	n.dir = dir
	n.refuse(false)
}

// copyDir copies the folder, in an instant: nothing else runs.
func (n *node) copyDir() string {
	synctest.Wait()
	dir, err := os.MkdirTemp(n.story.dir, n.name)
	if err != nil {
		n.fail("copy: %v", err)
	}
	files, _ := os.ReadDir(n.dir)
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(n.dir, f.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, f.Name()), data, 0o600)
		}
		if err != nil {
			n.fail("copy: %v", err)
		}
	}
	return dir
}

// app takes work and answers it, more or less, until ctx ends.
func (n *node) app(ctx context.Context, p *process, random *rand.Rand) {
	for ctx.Err() == nil {
		items, err := p.Lease(ctx, resource.LeaseRequest{Queue: "resources", Max: 1 + random.IntN(3), Wait: time.Minute, LeaseFor: leaseFor})
		if err != nil && ctx.Err() == nil {
			n.fail("lease at %s: %v", n.name, err)
		}
		var open []resource.LeaseItem
		for _, item := range items {
			if n.takes(p, item) {
				open = append(open, item)
			}
		}
		for _, item := range open {
			n.work(ctx, p, item, random)
		}
	}
}

const leaseFor = 10 * time.Second

// takes checks what is handed out against what the app remembers; false if the
// process has died.
func (n *node) takes(p *process, item resource.LeaseItem) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p.dead.Load() {
		return false
	}
	r, now := n.recall(item.Key), time.Now()
	if now.Before(r.leased) {
		n.fail("%s has two leases of %s", n.name, item.Key.ID)
	}
	r.leased = now.Add(leaseFor)
	if n.role == resource.Agent {
		n.sees(r, item.Object)
	}
	return true
}

func (n *node) recall(key resource.Key) *remembered {
	if n.memory[key] == nil {
		n.memory[key] = &remembered{}
	}
	return n.memory[key]
}

// sees checks one state of a resource at an agent.
func (n *node) sees(r *remembered, res *resource.Resource) {
	if res == nil {
		return
	}
	if r.anything || !r.deleted.IsZero() {
		r.version = 0
	}
	if res.Version < r.version {
		n.fail("%s sees %s go back from version %d to %d", n.name, res.ID, r.version, res.Version)
	}
	if res.DeletionTimestamp == nil && !r.deleted.IsZero() && !r.anything && !n.story.wantedAfter(res.Key, r.deleted) {
		n.fail("%s sees %s come back from the dead: version %d, spec %s", n.name, res.ID, res.Version, res.Spec)
	}
	r.version, r.deleted, r.anything = res.Version, time.Time{}, false
}

// work does what an app does with a lease, or fails to.
func (n *node) work(ctx context.Context, p *process, item resource.LeaseItem, random *rand.Rand) {
	deleting := item.Object != nil && item.Object.DeletionTimestamp != nil
	result := resource.WorkResult{}
	think := time.Duration(random.IntN(100)*random.IntN(10)) * time.Millisecond
	if n.role == resource.Agent && item.Object != nil {
		result.Deleted = deleting
		if !deleting && (n.calm.Load() || random.IntN(4) > 0) {
			result.Status = statusFor(item.Object, random)
		}
	}
	if !n.calm.Load() {
		switch random.IntN(10) {
		case 0:
			result = resource.WorkResult{Result: resource.ResultFailed, Error: "no luck", RequeueAfter: time.Duration(random.IntN(2)) * time.Second}
		case 1:
			result = resource.WorkResult{Result: resource.ResultFailed, NoRetry: random.IntN(4) == 0}
		case 2:
			think = leaseFor + time.Second
		case 3:
			return // never
		case 4:
			result.Deleted = false // done, but not cleaned up
		case 5:
			result.RequeueAfter = time.Second
		}
	}
	select {
	case <-ctx.Done():
		return
	case <-time.After(think):
	}
	n.answers(ctx, p, item, result)
}

func statusFor(res *resource.Resource, random *rand.Rand) []byte {
	if random.IntN(2) == 0 {
		return []byte(`{"ok":true}`)
	}
	return fmt.Appendf(nil, `{"seen":%s}`, res.Spec)
}

// answers gives an answer and remembers what came of it.
func (n *node) answers(ctx context.Context, p *process, item resource.LeaseItem, result resource.WorkResult) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r, late := n.recall(item.Key), false
	if r.leased.IsZero() || time.Now().After(r.leased) {
		late = true
	}
	err := p.Answer(ctx, item.Lease, result)
	switch {
	case p.dead.Load() || ctx.Err() != nil:
		r.anything = r.anything || result.Deleted
		return
	case err != nil:
		return // lapsed, or another has changed the resource meanwhile
	case late:
		n.fail("%s: a lease of %s was answered after it had lapsed", n.name, item.Key.ID)
	}
	r.leased = time.Time{}
	if result.Deleted {
		n.confirmed(r, item.Object)
	}
}

// confirmed notes that a deletion is done.
func (n *node) confirmed(r *remembered, res *resource.Resource) {
	r.deleted = *res.DeletionTimestamp
	n.story.tell("%s has deleted %s", n.name, res.ID)
}

// acts is an app that calls out of turn: it reports, or confirms a deletion.
func (n *node) acts(random *rand.Rand) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ctx := context.Background()
	list, err := n.List(ctx, resource.ListRequest{})
	if err != nil || len(list.Items) == 0 {
		return
	}
	res := list.Items[random.IntN(len(list.Items))]
	if res.DeletionTimestamp == nil {
		_, err = n.SetStatus(ctx, resource.StatusRequest{Key: res.Key, Status: statusFor(res, random)})
	} else if _, _, err = n.Delete(ctx, resource.DeleteRequest{Key: res.Key, IfMatch: &res.Revision}); err == nil {
		n.confirmed(n.recall(res.Key), res)
	}
	if err != nil && resource.CodeOf(err) != resource.NotFound && resource.CodeOf(err) != resource.Conflict && resource.CodeOf(err) != resource.PreconditionFailed {
		n.fail("%s: %v", n.name, err)
	}
}

// watch checks what a watcher of an agent is told.
func (n *node) watch(ctx context.Context, p *process) {
	versions := map[resource.Key]int64{}
	err := p.Watch(ctx, resource.WatchRequest{}, func(events []resource.WatchEvent) error {
		for _, e := range events {
			switch e.Type {
			case resource.WatchAdded, resource.WatchModified:
				if e.Resource.Version < versions[e.Resource.Key] {
					n.fail("a watch at %s saw %s go back from version %d to %d", n.name, e.Resource.ID, versions[e.Resource.Key], e.Resource.Version)
				}
				versions[e.Resource.Key] = e.Resource.Version
			case resource.WatchDeleted:
				if e.Resource.DeletionTimestamp == nil && n.role == resource.Agent {
					n.fail("a watch at %s saw %s deleted without a deletion timestamp", n.name, e.Resource.ID)
				}
				delete(versions, e.Resource.Key)
			}
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		n.fail("watch at %s: %v", n.name, err)
	}
}
