package mqtt

import (
	"sync"

	"github.com/eclipse/paho.golang/paho"
)

// overrun is how many bytes are taken beyond Options.Buffer publishes, from a
// broker that sends more than our receive maximum (mochi does when a session
// is resumed).
const overrun = 64 << 20

// publishOverhead is what a publish takes in memory besides its payload,
// roughly.
const publishOverhead = 1 << 10

// inbox is the queue from the connection to whoever takes deliveries. It never
// makes the reading wait while the broker keeps to the receive maximum: a reader that
// waits does not see the broker's answers to pings and to SUBSCRIBE.
type inbox struct {
	limit int             // publishes that always fit
	lost  <-chan struct{} // closed when the session is over: nobody waits any more
	more  chan struct{}
	room  chan struct{}

	mu    sync.Mutex
	queue []*paho.Publish
	count int // of publishes that are not handed on: queue, and what was taken
	bytes int // of those, roughly
}

func newInbox(limit int) *inbox {
	return &inbox{limit: limit, more: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put waits for room, or drops p when the session is over: it was not
// acknowledged, and comes again.
func (i *inbox) put(p *paho.Publish) {
	for !i.tryPut(p) {
		select {
		case <-i.room:
		case <-i.lost:
			return
		}
	}
	signal(i.more)
}

func (i *inbox) tryPut(p *paho.Publish) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.count >= i.limit && i.bytes+size(p) > overrun {
		return false
	}
	i.queue = append(i.queue, p)
	i.count++
	i.bytes += size(p)
	return true
}

// take is all that has come, nil if nothing has.
func (i *inbox) take() []*paho.Publish {
	i.mu.Lock()
	defer i.mu.Unlock()
	taken := i.queue
	i.queue = nil
	return taken
}

// handed makes room for another one, when p, which was taken, is handed on.
func (i *inbox) handed(p *paho.Publish) {
	i.mu.Lock()
	i.count--
	i.bytes -= size(p)
	i.mu.Unlock()
	signal(i.room)
}

func size(p *paho.Publish) int { return len(p.Payload) + publishOverhead }

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
