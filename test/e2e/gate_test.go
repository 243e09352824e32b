//go:build e2e

package e2e_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// gate stands between a sidecar and the broker. Held, it cuts the connections
// and refuses new ones, so that a story decides who is back first.
type gate struct {
	addr     string // what the sidecar dials
	upstream string

	mu       sync.Mutex
	listener net.Listener // nil = held
	conns    map[net.Conn]bool
}

func newGate(t testing.TB, upstream string) *gate {
	t.Helper()
	g := &gate{upstream: upstream, conns: map[net.Conn]bool{}}
	for g.addr = freeAddr(t); g.listen() != nil; { // somebody else was faster
		g.addr = freeAddr(t)
	}
	t.Cleanup(g.hold)
	return g
}

// open lets the sidecar through, and returns since when.
func (g *gate) open(t testing.TB) time.Time {
	t.Helper()
	if err := g.listen(); err != nil {
		t.Fatalf("open the gate: %v", err)
	}
	return time.Now()
}

func (g *gate) listen() error {
	listener, err := net.Listen("tcp", g.addr)
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.listener = listener
	g.mu.Unlock()
	go g.accept(listener)
	return nil
}

// hold cuts what is connected and refuses what comes.
func (g *gate) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener != nil {
		_ = g.listener.Close()
		g.listener = nil
	}
	for conn := range g.conns {
		_ = conn.Close()
	}
	clear(g.conns)
}

func (g *gate) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go g.serve(listener, client)
	}
}

// serve copies both ways until either side ends, and then ends the other.
func (g *gate) serve(listener net.Listener, client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", g.upstream)
	if err != nil {
		return
	}
	defer server.Close()
	if !g.admit(listener, client, server) {
		return
	}
	defer g.forget(client, server)
	ended := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			ended <- struct{}{}
		}()
	}
	<-ended
}

// admit refuses a connection that was accepted before the gate was held.
func (g *gate) admit(listener net.Listener, conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener != listener {
		return false
	}
	for _, conn := range conns {
		g.conns[conn] = true
	}
	return true
}

func (g *gate) forget(conns ...net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, conn := range conns {
		delete(g.conns, conn)
	}
}
