package testbroker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Options of a broker; the zero value is an open broker on a free port of the
// loopback interface.
type Options struct {
	Listen         string            // host:port; "" = 127.0.0.1:0
	WebSocket      bool              // MQTT in WebSocket, on any path, instead of plain
	TLS            *tls.Config       // nil = no TLS
	Users          map[string]string // name to password; nil = anyone
	MaxPacket      uint32            // bytes of the largest packet, told to clients; 0 = no limit
	ReceiveMaximum uint16            // publishes in flight from one client; 0 = 1024
	Log            *slog.Logger      // nil = silent
	// Authorize is asked for each publish (write) and for each subscription
	// and delivery; nil = everything is allowed.
	Authorize func(client, topic string, write bool) bool
}

// restartPatience is how long Restart tries to get its port back.
const restartPatience = 5 * time.Second

// Broker is a running, or stopped, broker.
type Broker struct {
	options Options
	watch   *watcher

	mu       sync.Mutex
	addr     string        // host:port, fixed by the first start
	server   *mochi.Server // nil = stopped
	listener *listener
	closed   bool
}

// Start listens and serves.
func Start(o Options) (*Broker, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b := &Broker{options: o, addr: o.Listen, watch: newWatcher()}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.serve(0); err != nil {
		return nil, err
	}
	return b, nil
}

// serve starts a new server that knows nothing; b.mu is held.
func (b *Broker) serve(patience time.Duration) error {
	inner, err := listen(b.addr, patience)
	if err != nil {
		return fmt.Errorf("broker cannot listen on %s: %w", b.addr, err)
	}
	b.addr = inner.Addr().String()
	server := mochi.New(&mochi.Options{
		Capabilities:           b.capabilities(),
		Logger:                 slog.New(withoutPackets{b.options.Log.Handler()}),
		SysTopicResendInterval: 60,
	})
	l := newListener(inner, b.options.WebSocket, b.options.TLS)
	hook := &hook{broker: b, server: server, watch: b.watch}
	if err := errors.Join(server.AddHook(hook, nil), server.AddListener(l), server.Serve()); err != nil {
		return errors.Join(fmt.Errorf("broker cannot serve: %w", err), inner.Close())
	}
	b.watch.reset(server)
	b.server, b.listener = server, l
	return nil
}

func (b *Broker) capabilities() *mochi.Capabilities {
	c := mochi.NewDefaultServerCapabilities()
	c.MaximumPacketSize = b.options.MaxPacket
	c.MaximumInflight = math.MaxUint16
	c.MaximumMessageExpiryInterval = 0 // see hook.OnPublish: Created is a number here, not a time
	if b.options.ReceiveMaximum > 0 {
		c.ReceiveMaximum = b.options.ReceiveMaximum
	}
	return c
}

// listen takes the port; for a while, if somebody else holds it.
func listen(addr string, patience time.Duration) (net.Listener, error) {
	deadline := time.Now().Add(patience)
	for {
		l, err := net.Listen("tcp", addr) // with SO_REUSEADDR: connections in TIME_WAIT do not matter
		if err == nil || time.Now().After(deadline) {
			return l, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Addr is host:port; it stays the same over Stop and Restart.
func (b *Broker) Addr() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.addr
}

// URL is how a client reaches the broker: mqtt, mqtts, ws or wss.
func (b *Broker) URL() string {
	scheme, path := "mqtt", ""
	if b.options.WebSocket {
		scheme, path = "ws", "/mqtt"
	}
	if b.options.TLS != nil {
		scheme += "s"
	}
	return scheme + "://" + b.Addr() + path
}

// Stop kills all connections without a word to the clients, and forgets all
// sessions, subscriptions and messages.
func (b *Broker) Stop() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stop()
}

func (b *Broker) stop() error {
	if b.server == nil {
		return nil
	}
	b.watch.reset(nil)
	b.listener.kill()
	err := b.server.Close()
	b.server, b.listener = nil, nil
	return err
}

// Restart serves again on the same port, after Stop or in place of it.
func (b *Broker) Restart() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errors.New("broker is closed")
	}
	if err := b.stop(); err != nil {
		return err
	}
	return b.serve(restartPatience)
}

// Close stops for good. It may be called more than once.
func (b *Broker) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return b.stop()
}

// running is the server, or nil when stopped.
func (b *Broker) running() *mochi.Server {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.server
}

// Clients are the ids of those that are connected, sorted.
func (b *Broker) Clients() []string {
	var ids []string
	for _, client := range b.connected() {
		ids = append(ids, client.ID)
	}
	slices.Sort(ids)
	return ids
}

// DropConnections breaks all connections; sessions stay.
func (b *Broker) DropConnections() {
	for _, client := range b.connected() {
		client.Stop(packets.ErrAdministrativeAction)
	}
}

// DropClient breaks the connection of one client; its session stays.
func (b *Broker) DropClient(id string) {
	for _, client := range b.connected() {
		if client.ID == id {
			client.Stop(packets.ErrAdministrativeAction)
		}
	}
}

func (b *Broker) connected() []*mochi.Client {
	server := b.running()
	if server == nil {
		return nil
	}
	var clients []*mochi.Client
	for _, client := range server.Clients.GetAll() {
		if !client.Closed() {
			clients = append(clients, client)
		}
	}
	return clients
}
