package testbroker

import (
	"maps"
	"slices"
	"strings"
	"sync"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// maxTopics bounds the map of Stats; further topics are counted together under
// the empty topic.
const maxTopics = 1 << 16

// Publish is a PUBLISH packet as the broker read it, whether or not it was
// allowed, and also if it was sent again.
type Publish struct {
	Client, Topic  string
	QoS            byte
	Retain, Dup    bool
	ContentType    string
	UserProperties [][2]string // in the order of the packet
	Expiry         uint32      // seconds; 0 = none
	PayloadFormat  bool        // the property was there
	Payload        []byte      // not to be changed
	Size           int         // bytes of the whole packet
}

// Count of publishes on one topic.
type Count struct {
	Messages int64
	Bytes    int64 // of whole packets
}

// watcher is what a test sees and steers; it lives as long as the Broker,
// across restarts.
type watcher struct {
	mu       sync.Mutex
	refusing bool
	stats    map[string]Count
	seen     []func(Publish)

	holdMu sync.Mutex // held while messages are released, so that later ones stay behind them
	holds  []*held
	server *mochi.Server // where held messages go; nil = stopped
}

type held struct {
	filter   string
	messages []packets.Packet
}

func newWatcher() *watcher { return &watcher{stats: map[string]Count{}} }

// Refuse makes the broker answer new connections with CONNACK "server
// unavailable" (0x88), until Refuse(false).
func (b *Broker) Refuse(refuse bool) {
	b.watch.mu.Lock()
	defer b.watch.mu.Unlock()
	b.watch.refusing = refuse
}

// Stats counts publishes by topic since the first start.
func (b *Broker) Stats() map[string]Count {
	b.watch.mu.Lock()
	defer b.watch.mu.Unlock()
	return maps.Clone(b.watch.stats)
}

// OnPublish has f called with every publish from now on, in order for each
// client, before the broker does anything with it. f may block, which holds up
// that client.
func (b *Broker) OnPublish(f func(Publish)) {
	b.watch.mu.Lock()
	defer b.watch.mu.Unlock()
	b.watch.seen = append(slices.Clip(b.watch.seen), f)
}

// Hold keeps publishes on topics that match the filter from subscribers, while
// publishers get their acknowledgement. release delivers them in order. What
// is held when the broker stops is lost.
func (b *Broker) Hold(filter string) (release func()) {
	w := b.watch
	h := &held{filter: filter}
	w.holdMu.Lock()
	defer w.holdMu.Unlock()
	w.holds = append(w.holds, h)
	return sync.OnceFunc(func() { w.release(h) })
}

func (w *watcher) refused() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refusing
}

// reset points the watcher to the server that runs now; held messages go.
func (w *watcher) reset(server *mochi.Server) {
	w.holdMu.Lock()
	defer w.holdMu.Unlock()
	w.server = server
	for _, h := range w.holds {
		h.messages = nil
	}
}

func (w *watcher) saw(client string, pk *packets.Packet) {
	size := packetSize(pk.FixedHeader.Remaining)
	w.mu.Lock()
	topic := pk.TopicName
	if _, known := w.stats[topic]; !known && len(w.stats) >= maxTopics {
		topic = ""
	}
	count := w.stats[topic]
	w.stats[topic] = Count{Messages: count.Messages + 1, Bytes: count.Bytes + int64(size)}
	seen := w.seen
	w.mu.Unlock()
	if len(seen) == 0 {
		return
	}
	p := describe(client, pk, size)
	for _, f := range seen {
		f(p)
	}
}

func describe(client string, pk *packets.Packet, size int) Publish {
	p := Publish{
		Client: client, Topic: pk.TopicName,
		QoS: pk.FixedHeader.Qos, Retain: pk.FixedHeader.Retain, Dup: pk.FixedHeader.Dup,
		ContentType: pk.Properties.ContentType, Expiry: pk.Properties.MessageExpiryInterval,
		PayloadFormat: pk.Properties.PayloadFormatFlag, Payload: pk.Payload, Size: size,
	}
	for _, property := range pk.Properties.User {
		p.UserProperties = append(p.UserProperties, [2]string{property.Key, property.Val})
	}
	return p
}

// packetSize is the size of a packet whose remaining length is given.
func packetSize(remaining int) int {
	size := 2 + remaining
	for remaining >>= 7; remaining > 0; remaining >>= 7 {
		size++
	}
	return size
}

// hold keeps a message if a Hold covers its topic.
func (w *watcher) hold(pk *packets.Packet) bool {
	w.holdMu.Lock()
	defer w.holdMu.Unlock()
	return w.keep(pk)
}

func (w *watcher) keep(pk *packets.Packet) bool {
	for _, h := range w.holds {
		if matches(h.filter, pk.TopicName) {
			h.messages = append(h.messages, *pk)
			return true
		}
	}
	return false
}

// release takes the hold away and delivers what it kept, unless another one
// covers it.
func (w *watcher) release(h *held) {
	w.holdMu.Lock()
	defer w.holdMu.Unlock()
	w.holds = slices.DeleteFunc(w.holds, func(other *held) bool { return other == h })
	if w.server == nil {
		return
	}
	inline := w.server.NewClient(nil, mochi.LocalListener, mochi.InlineClientId, true)
	inline.Properties.ProtocolVersion = 5
	for _, pk := range h.messages {
		if !w.keep(&pk) {
			_ = w.server.InjectPacket(inline, pk) // it was valid when it came
		}
	}
}

// matches tells whether a filter, shared or not, covers a topic.
func matches(filter, topic string) bool {
	if rest, shared := strings.CutPrefix(filter, "$share/"); shared {
		_, filter, _ = strings.Cut(rest, "/")
	}
	for {
		f, frest, fmore := strings.Cut(filter, "/")
		t, trest, tmore := strings.Cut(topic, "/")
		switch {
		case f == "#":
			return true
		case f != "+" && f != t:
			return false
		case !tmore:
			return !fmore || frest == "#"
		case !fmore:
			return false
		}
		filter, topic = frest, trest
	}
}
