package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"github.com/pillion-dev/pillion/pkg/transport"
)

// ackTimeout ends a session when something in flight is not answered; what is
// large may take longer (docs/architecture.md, Session).
const ackTimeout = 10 * time.Second

// session is one connection, from CONNACK to its end.
//
//	frames -> inbox -> deliver -> Received           what comes
//	Publish -> state -> conn                         what goes
//	Ack -> replies -> maintain -> conn               what is answered
//	conn and frames <-> paho                         everything else
//
// run owns the goroutines deliver and maintain, and waits for paho's.
type session struct {
	driver  *Driver
	conn    *conn
	client  *paho.Client
	state   *state
	replies *replies
	inbox   *inbox
	broker  address
	info    transport.Info
	qos     byte // of publishes
	resumed bool // the broker had a session of ours

	trouble  chan error // from paho, when it ends the connection
	drained  chan struct{}
	received chan transport.Delivery
	done     chan struct{}
	err      error // set before done and received are closed
}

var _ transport.Session = (*session)(nil)

func newSession(d *Driver, stream, tcp net.Conn) *session {
	inbox := newInbox(d.options.Buffer)
	s := &session{
		driver: d, qos: d.options.PubQoS, inbox: inbox,
		trouble:  make(chan error, 1),
		drained:  make(chan struct{}),
		received: make(chan transport.Delivery, d.options.Buffer),
		done:     make(chan struct{}),
	}
	s.conn = newConn(stream, tcp, newFrames(stream, d.options.MaxPacketBytes, inbox.put, s.acknowledged))
	inbox.lost = s.conn.failed
	s.replies = newReplies(s.conn)
	s.state = newState(s.conn, s.replies, &d.packetIDs)
	s.client = paho.NewClient(paho.ClientConfig{
		Conn: s.conn, Session: s.state, AuthHandler: noAuth{}, PacketTimeout: never,
		PingHandler: pinger{paho.NewDefaultPinger(), s.conn, s.state}, OnClientError: s.failed,
	})
	return s
}

// acknowledged is the call of frames.
func (s *session) acknowledged(p *packets.Puback) { s.state.acknowledged(p) }

// failed is paho's call when it has ended the connection.
func (s *session) failed(err error) {
	select {
	case s.trouble <- err:
	default:
	}
}

// run lives as long as the session.
func (s *session) run() {
	var tasks sync.WaitGroup
	tasks.Go(s.deliver)
	tasks.Go(s.maintain)
	<-s.client.Done() // the connection is closed and paho's goroutines are gone
	s.driver.finished.Store(!s.state.unfinished())
	s.settle()
	close(s.drained)
	tasks.Wait()
	close(s.done)
	close(s.received)
}

// settle finds out why the session has ended.
func (s *session) settle() {
	select {
	case <-s.conn.failed:
	default: // paho did not like what it read, and says so soon
		err := <-s.trouble
		s.conn.note(fmt.Errorf("MQTT: %w", err))
	}
	s.err = s.conn.cause
	if errors.As(s.err, new(goElsewhere)) {
		s.driver.next(s.broker)
	}
}

// deliver decodes what comes and hands it on. After the end it leaves behind
// what finds no place, and all that is behind it: it was not acknowledged, and
// comes again.
func (s *session) deliver() {
	for last := false; !last; {
		select {
		case <-s.inbox.more:
		case <-s.drained:
			last = true
		}
		for _, p := range s.inbox.take() {
			if !s.hand(p) {
				return
			}
			s.inbox.handed(p)
		}
	}
}

// hand waits for a place in Received; after the end only if there is one.
func (s *session) hand(p *paho.Publish) bool {
	d := transport.Delivery{Topic: p.Topic, Ack: s.replies.expect(p.PacketID, p.QoS)}
	d.Event, d.Err = decode(p)
	select {
	case s.received <- d:
		return true
	default:
	}
	select {
	case s.received <- d:
		return true
	case <-s.conn.failed:
		return false
	}
}

// maintain sends replies, and ends the session when an answer is overdue.
func (s *session) maintain() {
	timeout := s.driver.options.ackTimeout
	ticker := time.NewTicker(timeout / 10)
	defer ticker.Stop()
	for {
		select {
		case <-s.replies.kick:
			s.replies.flush()
		case now := <-ticker.C:
			if patience, late := s.state.overdue(now, timeout); late {
				s.conn.fail(fmt.Errorf("the broker has not answered a packet for %s", patience.Round(time.Second/10)))
			}
		case <-s.conn.failed:
			return
		case <-s.drained:
			return
		}
	}
}

// Received is part of the contract, transport.Session.
func (s *session) Received() <-chan transport.Delivery { return s.received }

// Done is part of the contract, transport.Session.
func (s *session) Done() <-chan struct{} { return s.done }

// Err is part of the contract, transport.Session.
func (s *session) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Info is part of the contract, transport.Session.
func (s *session) Info() transport.Info { return s.info }

// Close is part of the contract, transport.Session. If ctx ends first, the
// connection is broken off.
func (s *session) Close(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.conn.tcp.Close() })
	s.replies.flush()
	s.conn.note(transport.ErrClosed)
	_ = s.client.Disconnect(&paho.Disconnect{}) // without the packet, too, the session has ended
	<-s.done
	if !stop() {
		return fmt.Errorf("disconnect: %w", ctx.Err())
	}
	return nil
}

// noAuth keeps a broker that offers enhanced authentication from stopping
// paho, which calls its handler unasked. conn lets no AUTH packet through.
type noAuth struct{}

// Authenticate is never called.
func (noAuth) Authenticate(*paho.Auth) *paho.Auth { return &paho.Auth{} }

// Authenticated is no news.
func (noAuth) Authenticated() {}

// pinger is paho's, which keeps why it gave up to itself.
type pinger struct {
	paho.Pinger
	conn  *conn
	state *state
}

// Run pings until ctx ends. A ping waits behind what is on its way: while there
// is something, state.overdue decides when the broker is taken for dead.
func (p pinger) Run(ctx context.Context, c net.Conn, keepAlive uint16) error {
	err := p.Pinger.Run(ctx, c, keepAlive)
	for err != nil && p.state.inFlight() {
		err = p.Pinger.Run(ctx, c, keepAlive)
	}
	if err != nil {
		p.conn.fail(fmt.Errorf("the broker has not answered a ping: %w", err))
	}
	return err
}
