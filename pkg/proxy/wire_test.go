package proxy_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/proxy"
	"github.com/pillion-dev/pillion/pkg/reconnect"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
	"github.com/pillion-dev/pillion/pkg/transport"
)

const (
	devices = resource.DataType("com.example.fleet.v1alpha1.devices")
	hub     = "hub1"
	cluster = "cluster1"
	agentID = "cluster1-agent"
)

// wire is a broker that the test plays itself: it sees what the proxy sends,
// decides what the broker says to it, and sends what the other side would.
type wire struct {
	t *testing.T

	mu      sync.Mutex
	session *wireSession
	down    bool
	sent    []*event.Event
	reply   func(*event.Event) (transport.Receipt, error)
	acked   int
	info    transport.Info
}

func newWire(t *testing.T) *wire {
	return &wire{t: t, info: transport.Info{Broker: "wire", MaxInFlight: 16}}
}

func (w *wire) Dial(context.Context) (transport.Session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return nil, errors.New("connection refused")
	}
	w.session = &wireSession{wire: w, in: make(chan transport.Delivery, 100), done: make(chan struct{})}
	return w.session, nil
}

func (w *wire) Broker() string { return "wire" }

// cut ends the session; up says whether the broker takes the next one.
func (w *wire) cut(up bool) {
	w.mu.Lock()
	w.down = !up
	s := w.session
	w.mu.Unlock()
	if s != nil {
		s.end(errors.New("connection reset"))
	}
}

func (w *wire) up() {
	w.mu.Lock()
	w.down = false
	w.mu.Unlock()
}

// answer makes the broker say that to every publish.
func (w *wire) answer(f func(*event.Event) (transport.Receipt, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reply = f
}

// deliver sends an event to the proxy and waits until all is quiet.
func (w *wire) deliver(events ...*event.Event) {
	w.t.Helper()
	w.hand(events...)
	synctest.Wait()
}

// hand sends an event to the proxy.
func (w *wire) hand(events ...*event.Event) {
	w.mu.Lock()
	s := w.session
	w.mu.Unlock()
	for _, e := range events {
		if e.Time.IsZero() {
			e.Time = time.Now()
		}
		s.in <- transport.Delivery{Event: e, Topic: "wire", Ack: func() {
			w.mu.Lock()
			w.acked++
			w.mu.Unlock()
		}}
	}
}

// taken returns what was sent about resources since the last call, without
// resync requests.
func (w *wire) taken() []*event.Event {
	return w.filter(func(e *event.Event) bool { return e.Type.Action != event.ResyncRequest })
}

// requests returns the resync requests since the last call.
func (w *wire) requests() []*event.Event {
	return w.filter(func(e *event.Event) bool { return e.Type.Action == event.ResyncRequest })
}

func (w *wire) filter(keep func(*event.Event) bool) (kept []*event.Event) {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	var rest []*event.Event
	for _, e := range w.sent {
		if keep(e) {
			kept = append(kept, e)
		} else {
			rest = append(rest, e)
		}
	}
	w.sent = rest
	return kept
}

type wireSession struct {
	*wire
	in   chan transport.Delivery
	done chan struct{}
	once sync.Once
	err  error
}

func (s *wireSession) end(err error) {
	s.once.Do(func() {
		s.err = err
		close(s.done)
	})
}

func (s *wireSession) Subscribe(context.Context) error { return nil }

func (s *wireSession) Publish(ctx context.Context, e *event.Event) (transport.Receipt, error) {
	s.mu.Lock()
	reply := s.reply
	s.mu.Unlock()
	var receipt transport.Receipt
	var err error
	if reply != nil {
		receipt, err = reply(e)
	}
	select {
	case <-s.done:
		return receipt, transport.ErrClosed
	default:
	}
	if err == nil {
		s.mu.Lock()
		s.sent = append(s.sent, e)
		s.mu.Unlock()
	}
	return receipt, err
}

func (s *wireSession) Received() <-chan transport.Delivery { return s.in }
func (s *wireSession) Done() <-chan struct{}               { return s.done }
func (s *wireSession) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}
func (s *wireSession) Info() transport.Info { return s.info }
func (s *wireSession) Close(context.Context) error {
	s.end(transport.ErrClosed)
	return nil
}

// sidecar is a running proxy on a wire.
type sidecar struct {
	*proxy.Proxy
	*wire
	t     *testing.T
	store *store.Store
	dir   string
	role  resource.Role
	log   *slog.Logger // from the next open on; nil = the test's
	end   context.CancelFunc
	ended chan error
}

// start runs a proxy in a synctest bubble; it is stopped, and its store
// checked, at the end of the test.
func start(t *testing.T, role resource.Role) *sidecar {
	t.Helper()
	dir, err := os.MkdirTemp("", "pillion")
	if err != nil {
		t.Fatal(err)
	}
	s := &sidecar{wire: newWire(t), t: t, dir: dir, role: role}
	s.open()
	t.Cleanup(func() {
		s.close()
		_ = os.RemoveAll(dir)
	})
	return s
}

func (s *sidecar) open() {
	s.t.Helper()
	var err error
	if s.store, err = store.Open(store.Options{Dir: s.dir}); err != nil {
		s.t.Fatal(err)
	}
	id := hub
	if s.role == resource.Agent {
		id = agentID
	}
	s.Proxy, err = proxy.New(proxy.Options{
		Role: s.role, ID: id, Cluster: cluster, Store: s.store, Driver: s.wire, Live: settings(),
		Log: cmp.Or(s.log, slog.New(slog.NewTextHandler(s.t.Output(), nil))),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.end, s.ended = cancel, make(chan error, 1)
	go func() { s.ended <- s.Run(ctx) }()
	synctest.Wait()
}

func (s *sidecar) close() {
	if s.store == nil {
		return
	}
	s.end()
	if err := <-s.ended; err != nil {
		s.t.Errorf("run: %v", err)
	}
	if err := s.store.Check(); err != nil {
		s.t.Errorf("store: %v", err)
	}
	if err := s.store.Close(); err != nil {
		s.t.Errorf("close: %v", err)
	}
	s.store = nil
}

// restart stops the proxy and starts it on the same store.
func (s *sidecar) restart() {
	s.t.Helper()
	s.close()
	s.open()
}

func settings() proxy.Live {
	return proxy.Live{
		DataTypes: []resource.DataType{devices},
		Reconnect: reconnect.DefaultPolicy(),
		Resync: proxy.Resync{OnReconnect: true, Repeat: []time.Duration{5 * time.Second, 30 * time.Second},
			StatusEvery: time.Minute, SpecEvery: 5 * time.Minute, SpecEveryMax: 6 * time.Hour, Jitter: 0.2, MaxDeletes: 3},
		Retry:         proxy.Retry{Initial: 5 * time.Millisecond, Max: 1000 * time.Second},
		ShutdownGrace: time.Second,
	}
}
