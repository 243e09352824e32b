package mqtt

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	bufferSize    = 32 << 10            // of a connection, each way
	maxPacketSize = 268_435_455 + 1 + 4 // MQTT 5, 2.1.4: remaining length, type, length
	writeTimeout  = 10 * time.Second    // for one piece of at most writePiece
	writePiece    = 64 << 10
)

// conn is a connection as paho uses it: locked around each packet that is
// written (packets.ControlPacket.WriteTo), and read one packet after the other.
// It gathers what is written by many into few system calls, and remembers why
// it broke.
type conn struct {
	net.Conn          // the byte stream
	tcp      net.Conn // below it

	mu      sync.Mutex
	writers atomic.Int32 // those who wait for mu to write a packet
	out     *bufio.Writer

	in *frames // what is read

	failure sync.Once
	cause   error         // why it broke; set before failed is closed
	failed  chan struct{} // closed when it is broken
}

func newConn(stream, tcp net.Conn, in *frames) *conn {
	return &conn{
		Conn: stream, tcp: tcp, in: in, failed: make(chan struct{}),
		out: bufio.NewWriterSize(pieces{stream}, bufferSize),
	}
}

// fail breaks the connection at once, without waiting for what is being
// written. The first cause is kept.
func (c *conn) fail(cause error) {
	c.note(cause)
	_ = c.tcp.Close()
}

// note sets the cause of an end that comes otherwise.
func (c *conn) note(cause error) {
	c.failure.Do(func() {
		c.cause = cause
		close(c.failed)
	})
}

// Lock begins a packet.
func (c *conn) Lock() {
	c.writers.Add(1)
	c.mu.Lock()
	c.writers.Add(-1)
}

// Unlock ends a packet. It goes out now, unless somebody waits to write the
// next one: then the last of them sends all.
func (c *conn) Unlock() {
	if c.writers.Load() == 0 {
		c.flush()
	}
	c.mu.Unlock()
}

// Write adds a part of a packet; the caller holds the lock.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.out.Write(p)
	if err != nil {
		c.fail(fmt.Errorf("write to the broker: %w", err))
	}
	return n, err
}

func (c *conn) flush() {
	if err := c.out.Flush(); err != nil {
		c.fail(fmt.Errorf("write to the broker: %w", err))
	}
}

// send writes a whole packet, or several.
func (c *conn) send(packet []byte) {
	c.Lock()
	defer c.Unlock()
	_, _ = c.Write(packet) // a failure ends the session
}

// Read gives paho what is for it.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	switch {
	case err == nil || errors.Is(err, net.ErrClosed): // nothing wrong, or we have closed it
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		c.fail(errors.New("the broker closed the connection; if it does so again and again, see whether another client uses the same client id"))
	default:
		c.fail(fmt.Errorf("read from the broker: %w", err))
	}
	return n, err
}

// pieces writes in pieces, each with its own deadline: a slow link may take
// long for a large packet, a dead one must not.
type pieces struct{ net.Conn }

func (w pieces) Write(p []byte) (n int, err error) {
	for err == nil && n < len(p) {
		var written int
		_ = w.SetWriteDeadline(time.Now().Add(writeTimeout)) // a closed connection fails below
		written, err = w.Conn.Write(p[n:min(len(p), n+writePiece)])
		n += written
	}
	return n, err
}
