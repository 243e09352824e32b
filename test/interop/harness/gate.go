package harness

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/eclipse/paho.golang/packets"
)

// Gate stands between one peer and the broker. Held, it cuts the peer's
// connections and refuses new ones, so that a story decides who is back first.
// It reads along to know whether the peer is subscribed, which not every
// client tells.
type Gate struct {
	Addr     string // what the peer dials
	upstream string

	mu       sync.Mutex
	listener net.Listener
	links    map[*link]struct{}
}

// link is one connection through the gate.
type link struct {
	peer, broker net.Conn
	subscribed   bool // the broker has granted a subscription
}

// NewGate makes an open gate in front of the broker. Its owner holds it in the
// end, after the peer has gone.
func NewGate(t testing.TB, broker *Broker) *Gate {
	t.Helper()
	g := &Gate{Addr: freeAddr(t), upstream: broker.Addr, links: map[*link]struct{}{}}
	g.Open(t)
	return g
}

// Open lets the peer through.
func (g *Gate) Open(t testing.TB) {
	t.Helper()
	var listener net.Listener
	Eventually(t, Patience, "the gate is open", func() (err error) {
		listener, err = net.Listen("tcp", g.Addr)
		return err
	})
	g.mu.Lock()
	g.listener = listener
	g.mu.Unlock()
	go g.accept(listener)
}

// Hold cuts what is connected and refuses what comes.
func (g *Gate) Hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener != nil {
		_ = g.listener.Close()
		g.listener = nil
	}
	for l := range g.links {
		l.close()
	}
}

// Subscribed tells whether the peer is connected with a granted subscription.
func (g *Gate) Subscribed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for l := range g.links {
		if l.subscribed {
			return true
		}
	}
	return false
}

func (g *Gate) accept(listener net.Listener) {
	for {
		peer, err := listener.Accept()
		if err != nil {
			return
		}
		go g.serve(listener, peer)
	}
}

func (g *Gate) serve(listener net.Listener, peer net.Conn) {
	broker, err := net.Dial("tcp", g.upstream)
	if err != nil {
		_ = peer.Close()
		return
	}
	l := &link{peer: peer, broker: broker}
	if !g.add(listener, l) {
		l.close()
		return
	}
	defer g.remove(l)
	go func() {
		_, _ = io.Copy(broker, peer)
		l.close()
	}()
	watch := &frames{each: func(packetType byte) {
		if packetType == packets.SUBACK {
			g.mu.Lock()
			l.subscribed = true
			g.mu.Unlock()
		}
	}}
	_, _ = io.Copy(peer, io.TeeReader(broker, watch))
}

// add refuses a connection that was accepted before the gate was held.
func (g *Gate) add(listener net.Listener, l *link) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener != listener {
		return false
	}
	g.links[l] = struct{}{}
	return true
}

func (g *Gate) remove(l *link) {
	l.close()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.links, l)
}

func (l *link) close() {
	_ = l.peer.Close()
	_ = l.broker.Close()
}
