package push

import (
	"context"
	"sync"
)

// gate holds the workers of a handler back while its app cannot be called. It
// begins shut.
type gate struct {
	mu     sync.Mutex
	up     context.Context // lasts while the gate is open
	end    context.CancelFunc
	opened chan struct{} // closed while it is open
}

func newGate() *gate {
	g := &gate{opened: make(chan struct{})}
	g.up, g.end = context.WithCancel(context.Background())
	g.end()
	return g
}

// open lets the workers through until shut, or until ctx ends.
func (g *gate) open(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.up, g.end = context.WithCancel(ctx)
	close(g.opened)
}

// shut ends the time that up stands for. It does nothing if another has begun:
// a call that took long says nothing about now.
func (g *gate) shut(up context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.up == up && up.Err() == nil {
		g.end()
		g.opened = make(chan struct{})
	}
}

// await waits until the gate is open and returns a context that lasts as long;
// ok is false when ctx ended first.
func (g *gate) await(ctx context.Context) (up context.Context, ok bool) {
	for ctx.Err() == nil {
		up, opened := g.state()
		if up.Err() == nil {
			return up, true
		}
		select {
		case <-opened:
		case <-ctx.Done():
		}
	}
	return nil, false
}

func (g *gate) state() (up context.Context, opened <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.up, g.opened
}

func (g *gate) isOpen() bool {
	up, _ := g.state()
	return up.Err() == nil
}
