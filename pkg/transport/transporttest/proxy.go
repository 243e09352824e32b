package transporttest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy stands between clients and a broker, so that a test can break or
// freeze connections of brokers that cannot do it themselves.
type Proxy struct {
	listener net.Listener
	target   string
	active   sync.WaitGroup

	mu     sync.Mutex
	thawed *sync.Cond
	frozen bool
	closed bool
	conns  map[net.Conn]bool
}

// NewProxy listens on a free port of the loopback interface for what is to
// reach target, host:port. It ends with the test.
func NewProxy(t *testing.T, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, target: target, conns: map[net.Conn]bool{}}
	p.thawed = sync.NewCond(&p.mu)
	p.active.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.Break()
		p.active.Wait()
	})
	return p
}

// Addr is where clients connect.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Freeze stops all bytes, also of connections that are yet to come.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = true
}

// Break resets all connections, and thaws.
func (p *Proxy) Break() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
	p.frozen = false
	p.thawed.Broadcast()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		if p.admit(client, server) {
			p.active.Go(func() { p.copy(server, client) })
			p.active.Go(func() { p.copy(client, server) })
		}
	}
}

func (p *Proxy) admit(client, server net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_, _ = client.Close(), server.Close()
		return false
	}
	p.conns[client], p.conns[server] = true, true
	return true
}

// copy moves bytes until one end closes.
func (p *Proxy) copy(to, from net.Conn) {
	_, _ = io.Copy(gate{to, p}, from)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wait()
	_ = to.Close()
	delete(p.conns, to)
}

// wait waits while the proxy is frozen; p.mu is held.
func (p *Proxy) wait() {
	for p.frozen {
		p.thawed.Wait()
	}
}

// gate is a writer that waits while the proxy is frozen.
type gate struct {
	net.Conn
	proxy *Proxy
}

func (g gate) Write(b []byte) (int, error) {
	g.proxy.mu.Lock()
	g.proxy.wait()
	g.proxy.mu.Unlock()
	return g.Conn.Write(b)
}
