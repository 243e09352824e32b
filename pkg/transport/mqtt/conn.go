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

// conn is a connection as paho uses it: it is locked around each packet that
// is written (packets.ControlPacket.WriteTo), and read one packet after the
// other. It gathers what is written by many into few system calls, looks at the
// size of a packet before there is memory for it, and remembers why it broke.
type conn struct {
	net.Conn          // the byte stream
	tcp      net.Conn // below it

	mu      sync.Mutex
	writers atomic.Int32 // those who wait for mu to write a packet
	out     *bufio.Writer

	in    *bufio.Reader
	left  int // bytes of the current packet that are not read yet
	first bool
	limit int // bytes of the largest packet; 0 = MQTT's own

	failure sync.Once
	cause   error         // why it broke; set before failed is closed
	failed  chan struct{} // closed when it is broken
}

func newConn(stream, tcp net.Conn, limit int) *conn {
	c := &conn{
		Conn: stream, tcp: tcp, limit: limit, first: true,
		in:     bufio.NewReaderSize(stream, bufferSize),
		failed: make(chan struct{}),
	}
	c.out = bufio.NewWriterSize(pieces{stream}, bufferSize)
	return c
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

// Read reads from the current packet, never beyond it.
func (c *conn) Read(p []byte) (int, error) {
	if c.left == 0 {
		if err := c.begin(); err != nil {
			return 0, c.broken(err)
		}
	}
	n, err := c.in.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, c.broken(err)
}

// broken notes why reading ended, unless we have ended it.
func (c *conn) broken(err error) error {
	switch {
	case err == nil:
	case errors.Is(err, net.ErrClosed):
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		c.fail(errors.New("the broker closed the connection"))
	default:
		c.fail(fmt.Errorf("read from the broker: %w", err))
	}
	return err
}

// begin looks at the fixed header of the next packet.
func (c *conn) begin() error {
	header, err := c.in.Peek(2)
	if err != nil {
		return err
	}
	if header[0] == authPacket {
		return errNoAuth
	}
	if c.first {
		if err := c.greet(header); err != nil {
			return err
		}
		c.first = false
	}
	size, err := c.size()
	if err != nil {
		return err
	}
	if limit := orDefault(c.limit, maxPacketSize); size > limit {
		return fmt.Errorf("a packet of %d bytes came, and the limit is %d", size, limit)
	}
	c.left = size
	return nil
}

// size reads the variable byte integer after the type (MQTT 5, 1.5.5).
func (c *conn) size() (int, error) {
	remaining := 0
	for i := range 4 {
		header, err := c.in.Peek(2 + i)
		if err != nil {
			return 0, err
		}
		b := header[1+i]
		remaining |= int(b&0x7f) << (7 * i)
		if b < 0x80 {
			return 2 + i + remaining, nil
		}
	}
	return 0, errors.New("a packet with a malformed length came")
}

const authPacket = 0xf0

// Errors of peers that do not speak MQTT 5.
var (
	errNotMQTT  = errors.New("what answers on this port does not speak MQTT: check host, port and scheme")
	errNeedsTLS = errors.New("the broker speaks TLS on this port: use mqtts:// or wss://, or give a CA")
	errNoAuth   = errors.New("the broker asks for enhanced authentication, which is not supported: use name and password, or certificates")
	errMQTT3    = errors.New("the broker speaks MQTT 3.1.1 only, and MQTT 5 is needed: use another broker or switch MQTT 5 on")
)

// greet looks at the first bytes that the peer sends.
func (c *conn) greet(header []byte) error {
	const connack, tlsAlert = 0x20, 0x15
	switch {
	case header[0] == connack && header[1] == 2: // no properties: not version 5
		return errMQTT3
	case header[0] == connack:
		return nil
	case header[0] == tlsAlert && header[1] == 3:
		return errNeedsTLS
	}
	return errNotMQTT
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
