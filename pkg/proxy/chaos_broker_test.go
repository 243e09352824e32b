package proxy_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/transport"
)

// broker is what MQTT 5 brokers are to a proxy, in memory: sessions that
// outlive connections and deliver again what was not acknowledged, in order,
// and acknowledgements that are lost when a connection breaks.
type broker struct {
	fail      func(format string, args ...any)
	published func(*event.Event) // sees what a client hands over

	mu       sync.Mutex
	random   *rand.Rand
	down     bool
	quiet    bool // does not say that nobody is subscribed, as mochi
	moody    bool // refuses a publish now and then
	sessions map[string]*kept
}

// Limits of the broker.
const (
	sessionExpiry  = time.Hour
	receiveMaximum = 20
	ackTimeout     = 10 * time.Second // after which a client gives a silent connection up
)

// kept is a session: what the broker keeps for a client.
type kept struct {
	subscribed bool
	queue      []*message
	conn       *connection // nil = away
	left       time.Time
}

type message struct {
	event *event.Event
	at    time.Time
	sent  bool // over the present connection
}

func newBroker(random *rand.Rand, fail func(string, ...any)) *broker {
	return &broker{fail: fail, random: random, quiet: random.IntN(3) == 0, moody: true, sessions: map[string]*kept{}}
}

// client is a driver: one client id at that broker.
type client struct {
	*broker
	name    string
	refused bool // partitioned
}

func (c *client) Broker() string { return "chaos" }

func (c *client) Dial(context.Context) (transport.Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down || c.refused {
		return nil, errors.New("connection refused")
	}
	s := c.lookup(c.name)
	if s == nil {
		s = &kept{}
		c.sessions[c.name] = s
	}
	if s.conn != nil {
		s.conn.end(transport.ErrTakenOver)
	}
	s.conn = &connection{client: c, session: s, in: make(chan transport.Delivery, receiveMaximum),
		done: make(chan struct{}), wake: make(chan struct{}, 1)}
	go s.conn.pump()
	return s.conn, nil
}

// lookup is what is kept for a client, unless it has expired.
func (b *broker) lookup(name string) *kept {
	s := b.sessions[name]
	if s == nil || s.conn == nil && time.Since(s.left) > sessionExpiry {
		delete(b.sessions, name)
		return nil
	}
	return s
}

// connection is one connection of a client.
type connection struct {
	*client
	session *kept
	in      chan transport.Delivery
	done    chan struct{}
	wake    chan struct{}
	err     error
	mute    bool       // what the client sends is lost
	deaf    bool       // nothing is delivered to it
	unacked []*message // handed to the client and not acknowledged by it
}

// end breaks the connection; the broker's lock is held.
func (c *connection) end(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	close(c.done)
	c.session.conn, c.session.left = nil, time.Now()
	for _, m := range c.session.queue {
		m.sent = false
	}
}

// cut breaks the connection of a client.
func (c *client) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.sessions[c.name]; s != nil && s.conn != nil {
		s.conn.end(errors.New("connection reset"))
	}
}

func (c *client) refuse(refused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = refused
}

// stall makes a connection a black hole, in one direction or both, until the
// client notices.
func (c *client) stall(deaf bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.sessions[c.name]; s != nil && s.conn != nil {
		conn := s.conn
		conn.mute, conn.deaf = true, deaf
		time.AfterFunc(ackTimeout, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			conn.end(errors.New("no acknowledgement in time"))
		})
	}
}

// restart ends every connection, and forgets every session if it kept them in
// memory only.
func (b *broker) restart(forget, down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
	for _, s := range b.sessions {
		if s.conn != nil {
			s.conn.end(errors.New("the broker is shutting down"))
		}
	}
	if forget {
		b.sessions = map[string]*kept{}
	}
}

func (b *broker) up() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = false
}

// calm ends the broker's moods.
func (b *broker) calm() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down, b.moody = false, false
}

func (c *connection) Subscribe(ctx context.Context) error {
	if err := c.travel(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session.subscribed = true
	return nil
}

// Publish carries a copy of the event to the broker and its word back; either
// way may be cut.
func (c *connection) Publish(ctx context.Context, e *event.Event) (receipt transport.Receipt, err error) {
	c.published(e)
	sent, err := onTheWire(e)
	if err != nil {
		c.fail("an event cannot be encoded: %v", err)
		return receipt, err
	}
	if err := c.travel(ctx); err != nil {
		return receipt, err
	}
	heard, err := c.take(sent)
	if err != nil {
		return receipt, err
	}
	return transport.Receipt{NoSubscribers: heard == 0 && !c.quiet}, c.travel(ctx)
}

// onTheWire is the event as the other side reads it.
func onTheWire(e *event.Event) (*event.Event, error) {
	ce, err := e.CloudEvent()
	if err != nil {
		return nil, err
	}
	return event.FromCloudEvent(ce)
}

// travel is the time on the network.
func (c *connection) travel(ctx context.Context) error {
	c.mu.Lock()
	took := time.Duration(c.random.IntN(3000)) * time.Microsecond
	if c.random.IntN(50) == 0 {
		took *= 100
	}
	if c.mute {
		took = time.Hour
	}
	c.mu.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-c.done:
		return transport.ErrClosed
	case <-time.After(took):
	}
	select {
	case <-c.done:
		return transport.ErrClosed
	default:
		return nil
	}
}

// take queues an event for whoever subscribes to it, and tells how many do.
func (c *connection) take(e *event.Event) (subscribers int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, transport.ErrClosed
	}
	if c.moody && c.random.IntN(50) == 0 {
		return 0, &transport.RejectedError{Reason: 0x97, Message: "quota exceeded"}
	}
	for name, s := range c.sessions {
		if s = c.lookup(name); s == nil || !s.subscribed || !subscriptions[name](e) {
			continue
		}
		subscribers++
		s.queue = append(s.queue, &message{event: e, at: time.Now()})
		if s.conn != nil {
			s.conn.signal()
		}
	}
	return subscribers, nil
}

// subscriptions are the filters of the clients, by name.
var subscriptions = map[string]func(*event.Event) bool{
	hub:        func(e *event.Event) bool { return !e.Type.FromSource() },
	"cluster1": func(e *event.Event) bool { return e.Type.FromSource() && (e.Cluster == "cluster1" || e.Cluster == "") },
	"cluster2": func(e *event.Event) bool { return e.Type.FromSource() && (e.Cluster == "cluster2" || e.Cluster == "") },
}

func (c *connection) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// pump delivers what is queued, in order, within the receive maximum.
func (c *connection) pump() {
	defer close(c.in)
	for {
		m := c.nextMessage()
		if m == nil {
			select {
			case <-c.done:
				return
			case <-c.wake:
			}
			continue
		}
		again := *m.event
		select {
		case <-c.done:
			return
		case c.in <- transport.Delivery{Event: &again, Topic: c.name, Ack: func() { c.ack(m) }}:
		}
	}
}

func (c *connection) nextMessage() *message {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session.queue = slices.DeleteFunc(c.session.queue, func(m *message) bool {
		return !m.sent && m.event.Type.Action == event.ResyncRequest && time.Since(m.at) > transport.ExpiringRequests
	})
	for i, m := range c.session.queue {
		if c.err != nil || c.deaf || i >= receiveMaximum {
			return nil
		}
		if !m.sent {
			m.sent = true
			c.unacked = append(c.unacked, m)
			return m
		}
	}
	return nil
}

// ack takes an acknowledgement, which must come in order, after the time on
// the network, if the connection lasts so long.
func (c *connection) ack(m *message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.unacked) == 0 || c.unacked[0] != m {
		c.fail("%s acknowledged out of order", c.name)
		return
	}
	c.unacked = c.unacked[1:]
	time.AfterFunc(time.Millisecond, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.err != nil || c.mute {
			return
		}
		c.session.queue = slices.DeleteFunc(c.session.queue, func(other *message) bool { return other == m })
		c.signal()
	})
}

func (c *connection) Received() <-chan transport.Delivery { return c.in }
func (c *connection) Done() <-chan struct{}               { return c.done }
func (c *connection) Info() transport.Info {
	return transport.Info{Broker: "chaos", MaxInFlight: 16}
}

func (c *connection) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *connection) Close(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(transport.ErrClosed)
	return nil
}
