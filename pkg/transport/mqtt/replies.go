package mqtt

import (
	"sync"

	"github.com/eclipse/paho.golang/packets"
)

// replies are the small packets that answer what was received. They are
// gathered, so that neither an Ack nor the reading of the connection ever
// waits for the connection to be written to.
type replies struct {
	conn *conn
	kick chan struct{} // there is something to flush

	sending sync.Mutex // held from taking to sending, so that flush means sent

	mu      sync.Mutex
	pending []byte
	due     []*receipt // received and not acknowledged, in order of receipt
}

// receipt is one delivery that is to be acknowledged.
type receipt struct {
	id    uint16
	first byte // of the packet that acknowledges: PUBACK or PUBREC
	done  bool
}

func newReplies(c *conn) *replies { return &replies{conn: c, kick: make(chan struct{}, 1)} }

// add queues a packet of nothing but a type and an id: success, without
// properties (MQTT 5, 3.4.2.1).
func (r *replies) add(first byte, id uint16) {
	r.mu.Lock()
	r.append(first, id)
	r.mu.Unlock()
	r.wake()
}

func (r *replies) append(first byte, id uint16) {
	r.pending = append(r.pending, first, 2, byte(id>>8), byte(id))
}

func (r *replies) wake() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// expect notes a delivery, in order of receipt, and returns what acknowledges
// it. Acknowledgements go out in that order (MQTT 5, 4.6): one that comes early
// waits for those before it.
func (r *replies) expect(id uint16, qos byte) func() {
	if qos == 0 {
		return func() {}
	}
	receipt := &receipt{id: id, first: packets.PUBACK << 4}
	if qos == 2 {
		receipt.first = packets.PUBREC << 4
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.due = append(r.due, receipt)
	return func() { r.acknowledge(receipt) }
}

func (r *replies) acknowledge(receipt *receipt) {
	r.mu.Lock()
	receipt.done = true
	n := 0
	for ; n < len(r.due) && r.due[n].done; n++ {
		r.append(r.due[n].first, r.due[n].id)
	}
	r.due = r.due[n:]
	r.mu.Unlock()
	if n > 0 {
		r.wake()
	}
}

// flush sends all that waits.
func (r *replies) flush() {
	r.sending.Lock()
	defer r.sending.Unlock()
	if packets := r.take(); len(packets) > 0 {
		r.conn.send(packets)
	}
}

func (r *replies) take() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	pending := r.pending
	r.pending = nil
	return pending
}
