package localapi

import (
	"net"
	"sync"
)

// maxConnections bounds the connections that are served at a time. Further
// ones wait in the listener's backlog until one is closed; idle ones are closed
// after idleTimeout.
const maxConnections = 2048

// limited is a listener of which at most so many connections are open.
type limited struct {
	net.Listener
	places chan struct{} // holds one for each open connection
	closed chan struct{}
	close  func() error
}

func limit(l net.Listener, most int) net.Listener {
	closed := make(chan struct{})
	return &limited{Listener: l, places: make(chan struct{}, most), closed: closed, close: sync.OnceValue(func() error {
		close(closed)
		return l.Close()
	})}
}

// Accept waits for a place, then for a connection.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &placed{Conn: c, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

// Close ends Accept, also while it waits for a place.
func (l *limited) Close() error { return l.close() }

// placed is a connection that gives its place back when it is closed.
type placed struct {
	net.Conn
	leave func()
}

// Close closes the connection.
func (c *placed) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// plain is the connection itself, of which the kernel knows the peer.
func plain(c net.Conn) net.Conn {
	if p, ok := c.(*placed); ok {
		return p.Conn
	}
	return c
}
