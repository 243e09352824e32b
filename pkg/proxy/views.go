package proxy

import (
	"runtime"
	"sync"
	"weak"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// sharedView is the size in bytes from which on watchers share a view: so many
// of them that stand at a large resource hold it once.
const sharedView = 32 << 10

// views are the large resources that watchers hold at present, by the revision
// of their state. It keeps none alive.
type views struct {
	*Proxy

	mu   sync.Mutex
	held map[resource.Revision]weak.Pointer[resource.Resource]
}

func newViews(p *Proxy) *views {
	return &views{Proxy: p, held: map[resource.Revision]weak.Pointer[resource.Resource]{}}
}

// of is the newest state of a resource, which must not be changed, and when it
// was created; nil if it is gone.
func (v *views) of(key resource.Key) (res *resource.Resource, born resource.Revision, err error) {
	m := v.store.Meta(key)
	if !m.Visible() {
		return nil, 0, nil
	}
	if res := v.find(m.Revision); res != nil {
		return res, m.CreatedRevision, nil
	}
	rec, err := v.store.Get(key)
	switch {
	case err != nil && resource.CodeOf(err) == resource.NotFound, err == nil && !rec.Visible():
		return nil, 0, nil
	case err != nil:
		return nil, 0, err
	}
	return v.keep(v.view(rec)), rec.CreatedRevision, nil
}

func (v *views) find(revision resource.Revision) *resource.Resource {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.held[revision].Value()
}

// keep notes a large view for as long as somebody holds it, and returns the one
// to use.
func (v *views) keep(res *resource.Resource) *resource.Resource {
	if sizeOf(res) < sharedView {
		return res
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if other := v.held[res.Revision].Value(); other != nil {
		return other
	}
	v.held[res.Revision] = weak.Make(res)
	runtime.AddCleanup(res, v.drop, res.Revision)
	return res
}

func (v *views) drop(revision resource.Revision) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.held[revision].Value() == nil { // else it was read again
		delete(v.held, revision)
	}
}

// sizeOf is about what a resource takes in memory, in bytes.
func sizeOf(res *resource.Resource) int {
	const rest = 512 // key, times and the like
	return rest + len(res.Spec) + len(res.SpecBase64) + len(res.Metadata) + len(res.Status)
}
