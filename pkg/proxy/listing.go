package proxy

import (
	"sync"
	"weak"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// listing is what there is at a revision, or was at a moment after it: what a
// watch begins with.
type listing struct {
	at    resource.Revision
	metas []*store.Meta
}

// listings shares a listing among the watchers that begin while nothing
// changes, as they do together after a restart. It keeps none alive.
type listings struct {
	*Proxy

	mu   sync.Mutex
	last weak.Pointer[listing]
}

func (l *listings) now() *listing {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.store.Revision()
	if last := l.last.Value(); last != nil && last.at == at {
		return last
	}
	next := &listing{at: at}
	for m := range l.store.All() {
		if m.Visible() {
			next.metas = append(next.metas, m)
		}
	}
	l.last = weak.Make(next)
	return next
}
