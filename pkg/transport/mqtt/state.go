package mqtt

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/log"
	pahosession "github.com/eclipse/paho.golang/paho/session"

	"github.com/pillion-dev/pillion/pkg/transport"
)

// state knows what is in flight in one session. It takes the place of paho's
// own, which keeps publishers waiting when the connection is lost, copies every
// packet to be able to send it again, and does send it again: the outbox does
// that, with what is newest.
type state struct {
	conn    *conn
	replies *replies
	ids     *atomic.Uint32 // of packets, shared by the sessions of a driver
	slots   chan struct{}  // one for each publish in flight; set by ConAckReceived

	mu      sync.Mutex
	flights map[uint16]*flight
	queued  int64     // bytes that were written and are not answered
	heard   time.Time // of the last answer
	newest  time.Time // when the newest packet that was answered was written
	lost    bool
	left    bool // a publish was in flight when it was lost
}

var _ pahosession.SessionManager = (*state)(nil)

// flight is a packet of ours that waits for its answer.
type flight struct {
	answer  chan<- packets.ControlPacket // of capacity 1; a zero packet: there will be none
	publish bool                         // takes a slot
	sent    time.Time                    // zero while it is being written
	size    int64                        // bytes that were written
	reason  byte                         // of its PUBREC
}

func newState(c *conn, r *replies, ids *atomic.Uint32) *state {
	return &state{conn: c, replies: r, ids: ids, flights: map[uint16]*flight{}}
}

// publish sends a packet with QoS 1 or 2 and returns the final answer's reason
// and reason string. If ctx ends, the packet stays in flight.
func (s *state) publish(ctx context.Context, p *packets.Publish) (reason byte, said string, err error) {
	select {
	case s.slots <- struct{}{}:
	case <-s.conn.failed:
		return 0, "", transport.ErrClosed
	case <-ctx.Done():
		return 0, "", ctx.Err()
	}
	answer := make(chan packets.ControlPacket, 1)
	f := &flight{answer: answer, publish: true}
	if !s.add(f, p) {
		return 0, "", transport.ErrClosed
	}
	size, err := p.WriteTo(s.conn)
	if err != nil {
		return 0, "", transport.ErrClosed
	}
	s.written(p.PacketID, f, size)
	select {
	case recv := <-answer:
		return outcome(f, recv)
	case <-s.conn.failed:
	case <-ctx.Done():
		err = ctx.Err()
	}
	select { // both came: the answer counts
	case recv := <-answer:
		return outcome(f, recv)
	default:
		return 0, "", orDefault(err, transport.ErrClosed)
	}
}

func outcome(f *flight, recv packets.ControlPacket) (reason byte, said string, err error) {
	switch p := recv.Content.(type) {
	case *packets.Puback:
		return p.ReasonCode, p.Properties.ReasonString, nil
	case *packets.Pubrec:
		return p.ReasonCode, p.Properties.ReasonString, nil
	case *packets.Pubcomp:
		return f.reason, "", nil
	}
	if recv.Type != 0 {
		return 0, "", fmt.Errorf("the broker answered with %s", recv.PacketType())
	}
	return 0, "", transport.ErrClosed
}

// add gives the packet an id and waits for its answer, unless the session is
// over.
func (s *state) add(f *flight, p pahosession.Packet) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost {
		return false
	}
	id := s.freeID()
	s.flights[id] = f
	p.SetIdentifier(id)
	return true
}

// freeID counts down, because brokers count up: mochi takes our id for one of
// its own that we have not acknowledged. It ends, because there are far fewer
// flights than ids.
func (s *state) freeID() uint16 {
	for {
		id := -uint16(s.ids.Add(1))
		if s.flights[id] == nil && id != 0 {
			return id
		}
	}
}

// written notes that a packet is on its way, unless its answer has overtaken us.
func (s *state) written(id uint16, f *flight, size int64) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flights[id] != f {
		return
	}
	f.sent, f.size = now, size
	s.queued += size
}

// leastRate is that of an uplink which is slow and not dead, in bytes a second.
const leastRate = 16 << 10

// overdue tells whether an answer should have come by now: within the timeout
// and the time that all bytes on their way may take, since the packet was
// written, or since the last answer, for packets and answers come one after the
// other (docs/transports.md, MQTT). So does one that was written so much earlier
// than another that was answered: it was left out. patience is how long that was.
func (s *state) overdue(now time.Time, timeout time.Duration) (patience time.Duration, late bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	patience = timeout + time.Duration(s.queued)*(time.Second/leastRate)
	before := now.Add(-patience)
	if !s.heard.Before(before) {
		before = s.newest.Add(-patience)
	}
	for _, f := range s.flights {
		if !f.sent.IsZero() && f.sent.Before(before) {
			return patience, true
		}
	}
	return 0, false
}

// inFlight tells whether something was written and is not answered.
func (s *state) inFlight() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queued > 0
}

// answered ends a flight.
func (s *state) answered(id uint16, recv *packets.ControlPacket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flights[id]
	if f == nil {
		return // of an earlier session
	}
	delete(s.flights, id)
	s.queued -= f.size
	s.heard = time.Now()
	if f.sent.After(s.newest) {
		s.newest = f.sent
	}
	f.answer <- *recv
	if f.publish {
		<-s.slots
	}
}

// PacketReceived is paho's call for all packets with an id; no PUBLISH comes
// this way, see frames.
func (s *state) PacketReceived(recv *packets.ControlPacket, _ chan<- *packets.Publish) error {
	switch p := recv.Content.(type) {
	case *packets.Pubrec:
		s.halfway(p, recv)
	case *packets.Pubrel:
		s.replies.add(packets.PUBCOMP<<4, p.PacketID)
	default: // PUBACK, PUBCOMP, SUBACK, UNSUBACK
		s.answered(recv.PacketID(), recv)
	}
	return nil
}

// acknowledged ends the flight of a publish with QoS 1.
func (s *state) acknowledged(p *packets.Puback) {
	s.answered(p.PacketID, &packets.ControlPacket{FixedHeader: packets.FixedHeader{Type: packets.PUBACK}, Content: p})
}

// halfway goes on with a publish of QoS 2, or ends it if it was refused.
func (s *state) halfway(p *packets.Pubrec, recv *packets.ControlPacket) {
	if p.ReasonCode >= reasonFailure {
		s.answered(p.PacketID, recv)
		return
	}
	s.mu.Lock()
	if f := s.flights[p.PacketID]; f != nil {
		s.queued -= f.size
		s.heard = time.Now()
		f.reason, f.sent, f.size = p.ReasonCode, s.heard, 0
	}
	s.mu.Unlock()
	s.replies.add(packets.PUBREL<<4|2, p.PacketID)
}

// AddToSession is paho's call for SUBSCRIBE and UNSUBSCRIBE.
func (s *state) AddToSession(_ context.Context, p pahosession.Packet, answer chan<- packets.ControlPacket) error {
	if !s.add(&flight{answer: answer, sent: time.Now()}, p) {
		return pahosession.ErrNoConnection
	}
	return nil
}

// ConAckReceived is paho's call before anything is sent.
func (s *state) ConAckReceived(_ io.Writer, _ *packets.Connect, ca *packets.Connack) error {
	s.slots = make(chan struct{}, inFlight(paho.ConnackFromPacketConnack(ca)))
	return nil
}

// ConnectionLost is paho's call when the connection ends; the packet is the
// broker's DISCONNECT, if one came.
func (s *state) ConnectionLost(p *packets.Disconnect) error {
	if p != nil {
		s.conn.fail(disconnected(p.ReasonCode, p.Properties.ReasonString))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = true
	for id, f := range s.flights {
		delete(s.flights, id)
		s.left = s.left || f.publish
		f.answer <- packets.ControlPacket{}
	}
	return nil
}

// unfinished tells whether publishes were in flight when the session was lost.
func (s *state) unfinished() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left
}

// Ack is never called: see replies.expect.
func (s *state) Ack(*packets.Publish) error { return nil }

// Close is never called: the state is not paho's own.
func (s *state) Close() error { return nil }

// SetErrorLogger does nothing: errors are returned.
func (s *state) SetErrorLogger(log.Logger) {}

// SetDebugLogger does nothing.
func (s *state) SetDebugLogger(log.Logger) {}
