package testbroker

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/mochi-mqtt/server/v2/listeners"
)

// handshakeTimeout bounds the HTTP part of a WebSocket connection.
const handshakeTimeout = 10 * time.Second

// listener feeds connections to mochi and owns them: kill closes them all and
// waits until their goroutines are gone.
type listener struct {
	inner     net.Listener
	webSocket bool

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
	active sync.WaitGroup
}

var _ listeners.Listener = (*listener)(nil)

func newListener(inner net.Listener, webSocket bool, config *tls.Config) *listener {
	l := &listener{webSocket: webSocket, conns: map[net.Conn]bool{}}
	l.inner = &tracking{Listener: inner, owner: l}
	if config != nil {
		l.inner = tls.NewListener(l.inner, config)
	}
	return l
}

func (l *listener) ID() string              { return "testbroker" }
func (l *listener) Address() string         { return l.inner.Addr().String() }
func (l *listener) Protocol() string        { return "tcp" }
func (l *listener) Init(*slog.Logger) error { return nil }
func (l *listener) Close(listeners.CloseFn) { l.kill() }

// Serve accepts until kill.
func (l *listener) Serve(establish listeners.EstablishFn) {
	if !l.begin() {
		return
	}
	defer l.active.Done()
	if l.webSocket {
		l.serveWebSocket(establish)
		return
	}
	for {
		conn, err := l.inner.Accept()
		if err != nil {
			return
		}
		if !l.begin() {
			return
		}
		go func() {
			defer l.active.Done()
			defer conn.Close()
			_ = establish(l.ID(), conn) // mochi has logged it
		}()
	}
}

func (l *listener) serveWebSocket(establish listeners.EstablishFn) {
	upgrader := websocket.Upgrader{Subprotocols: []string{"mqtt"}, CheckOrigin: func(*http.Request) bool { return true }}
	server := &http.Server{ReadHeaderTimeout: handshakeTimeout, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !l.begin() {
			return
		}
		defer l.active.Done()
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // the upgrader has answered
		}
		defer ws.Close()
		_ = establish(l.ID(), &wsConn{Conn: ws.NetConn(), ws: ws})
	})}
	_ = server.Serve(l.inner) // ends with the listener
}

// begin counts a goroutine that kill waits for, unless the listener is closed.
func (l *listener) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.active.Add(1)
	}
	return !l.closed
}

// remember notes a connection that kill closes, unless the listener is closed.
func (l *listener) remember(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.conns[conn] = true
	}
	return !l.closed
}

func (l *listener) forget(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, conn)
}

// kill closes the port and every connection, as the kernel does for a process
// that died, and waits for what served them.
func (l *listener) kill() {
	l.mu.Lock()
	l.closed = true
	conns := make([]net.Conn, 0, len(l.conns))
	for conn := range l.conns {
		conns = append(conns, conn)
	}
	l.mu.Unlock()
	_ = l.inner.Close()
	for _, conn := range conns {
		_ = conn.Close()
	}
	l.active.Wait()
}

// tracking makes each connection known to its owner, below TLS, so that kill
// does not say goodbye.
type tracking struct {
	net.Listener
	owner *listener
}

func (t *tracking) Accept() (net.Conn, error) {
	inner, err := t.Listener.Accept()
	if err != nil {
		return nil, err
	}
	conn := &trackedConn{Conn: inner, owner: t.owner}
	if !t.owner.remember(conn) {
		return nil, errors.Join(net.ErrClosed, inner.Close())
	}
	return conn, nil
}

type trackedConn struct {
	net.Conn
	owner *listener
}

func (c *trackedConn) Close() error {
	c.owner.forget(c)
	return c.Conn.Close()
}
