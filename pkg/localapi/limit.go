package localapi

import (
	"crypto/tls"
	"net"
	"sync"
)

// limited is a listener of which at most so many connections are open, and a
// few more that are only told so. Further ones wait in its backlog.
type limited struct {
	net.Listener
	places chan struct{} // holds one for each open connection
	over   chan struct{} // … and for each that is refused
	closed chan struct{}
	close  func() error
}

func limit(l net.Listener, b bounds) net.Listener {
	closed := make(chan struct{})
	return &limited{Listener: l, places: make(chan struct{}, b.connections), over: make(chan struct{}, b.refused), closed: closed, close: sync.OnceValue(func() error {
		close(closed)
		return l.Close()
	})}
}

// Accept waits for a place, then for a connection. A place among the refused is
// taken only when no other is free.
func (l *limited) Accept() (net.Conn, error) {
	place, err := l.place()
	if err != nil {
		return nil, err
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-place
		return nil, err
	}
	if place == l.over { // one that was freed while nobody connected is better
		select {
		case l.places <- struct{}{}:
			<-place
			place = l.places
		default:
		}
	}
	return &placed{Conn: c, over: place == l.over, leave: sync.OnceFunc(func() { <-place })}, nil
}

func (l *limited) place() (chan struct{}, error) {
	select {
	case l.places <- struct{}{}:
		return l.places, nil
	default:
	}
	select {
	case l.places <- struct{}{}:
		return l.places, nil
	case l.over <- struct{}{}:
		return l.over, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept, also while it waits for a place.
func (l *limited) Close() error { return l.close() }

// placed is a connection that gives its place back when it is closed.
type placed struct {
	net.Conn
	over  bool
	leave func()
}

// Close closes the connection.
func (c *placed) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// plain is the connection itself, of which the kernel knows the peer, and
// whether there is no place for it.
func plain(c net.Conn) (inner net.Conn, over bool) {
	if secured, ok := c.(*tls.Conn); ok {
		c = secured.NetConn()
	}
	if p, ok := c.(*placed); ok {
		return p.Conn, p.over
	}
	return c, false
}
