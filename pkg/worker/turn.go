package worker

import (
	"sync"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// turns let the commands of one key run one after the other. A sidecar hands no
// key out twice at a time; but a lease may be lost while its command runs on.
type turns struct {
	mu   sync.Mutex
	last map[resource.Key]*turn
}

// turn is a place in the line of a key.
type turn struct {
	begins <-chan struct{}
	ends   chan struct{}
	leave  func()
}

func (t *turns) take(key resource.Key) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	mine := &turn{ends: make(chan struct{})}
	mine.leave = func() { t.leave(key, mine) }
	if before := t.last[key]; before != nil {
		mine.begins = before.ends
	} else {
		mine.begins = closed
	}
	if t.last == nil {
		t.last = map[resource.Key]*turn{}
	}
	t.last[key] = mine
	return mine
}

func (t *turns) leave(key resource.Key, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(mine.ends)
	if t.last[key] == mine {
		delete(t.last, key)
	}
}

// closed is a channel that always is.
var closed = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
