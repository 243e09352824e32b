package mqtt_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"github.com/pillion-dev/pillion/pkg/transport"
	"github.com/pillion-dev/pillion/pkg/transport/mqtt"
	"github.com/pillion-dev/pillion/pkg/transport/transporttest"
	"github.com/pillion-dev/pillion/testbroker"
)

// onBothBrokers runs a test on mochi and on mosquitto; lines are mosquitto's.
func onBothBrokers(t *testing.T, o testbroker.Options, lines []string, test func(t *testing.T, addr string)) {
	t.Run("mochi", func(t *testing.T) { test(t, startBroker(t, o).Addr()) })
	t.Run("mosquitto", func(t *testing.T) { test(t, startMosquitto(t, lines...).addr) })
}

// Of the two, mosquitto 2.0.11 only closes the old connection.
func TestTakenOver(t *testing.T) {
	b := startBroker(t, testbroker.Options{})
	first := open(t, newDriver(t, agentOptions(b.Addr())))
	open(t, newDriver(t, agentOptions(b.Addr())))
	err := ended(t, first)
	if !errors.Is(err, transport.ErrTakenOver) {
		t.Fatalf("error is %v", err)
	}
	var patient interface {
		Delay() (shortest, longest time.Duration)
	}
	if !errors.As(err, &patient) {
		t.Fatalf("error %v does not say how long to wait", err)
	}
	if shortest, longest := patient.Delay(); shortest != 30*time.Second || longest != 5*time.Minute {
		t.Errorf("delay is %s to %s", shortest, longest)
	}
}

// A broker that says goodbye is quoted; one that names another server is left.
func TestBrokerDisconnects(t *testing.T) {
	const connack = "\x20\x03\x00\x00\x00"
	busy := answering(t, connack+"\xe0\x02\x98\x00")
	moved := answering(t, connack+"\xe0\x09\x9d\x07\x1f\x00\x04away")
	b := startBroker(t, testbroker.Options{})
	d := newDriver(t, sourceOptions(busy, moved, b.Addr()))
	if err := ended(t, dial(t, d)); !strings.Contains(err.Error(), "administrative") {
		t.Errorf("error is %v", err)
	}
	d = newDriver(t, sourceOptions(moved, b.Addr()))
	if err := ended(t, dial(t, d)); !strings.Contains(err.Error(), "moved") || !strings.Contains(err.Error(), "away") {
		t.Errorf("error is %v", err)
	}
	open(t, d)
}

// A publish in flight does not outlive the broker.
func TestKillEndsPublishesAtOnce(t *testing.T) {
	m := startMosquitto(t)
	proxy := transporttest.NewProxy(t, m.addr)
	s := open(t, newDriver(t, agentOptions(proxy.Addr())))
	proxy.Freeze()
	const publishers = 10
	results := make(chan error, publishers)
	for range publishers {
		go func() {
			_, err := s.Publish(t.Context(), status())
			results <- err
		}()
	}
	time.Sleep(50 * time.Millisecond) // so that they are in flight; the test also holds without
	start := time.Now()
	proxy.Break()
	for range publishers {
		if err := <-results; !errors.Is(err, transport.ErrClosed) {
			t.Errorf("error is %v", err)
		}
	}
	if waited := time.Since(start); waited > 100*time.Millisecond {
		t.Errorf("publishes ended %s after the connection", waited)
	}
}

func TestMissingAnswerEndsSession(t *testing.T) {
	b := startBroker(t, testbroker.Options{})
	proxy := transporttest.NewProxy(t, b.Addr())
	s := open(t, newDriver(t, mqtt.WithAckTimeout(agentOptions(proxy.Addr()), 200*time.Millisecond)))
	_, err := s.Publish(within(t), status())
	mustNot(t, err)
	time.Sleep(300 * time.Millisecond) // longer than the time-out, with nothing in flight
	if s.Err() != nil {
		t.Fatalf("an idle session has ended: %v", s.Err())
	}
	proxy.Freeze()
	if _, err := s.Publish(within(t), status()); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("error is %v", err)
	}
	if err := ended(t, s); !strings.Contains(err.Error(), "has not answered") {
		t.Errorf("error is %v", err)
	}
}

func TestKeepAliveEndsSession(t *testing.T) {
	b := startBroker(t, testbroker.Options{})
	proxy := transporttest.NewProxy(t, b.Addr())
	o := agentOptions(proxy.Addr())
	o.KeepAlive = time.Second
	s := open(t, newDriver(t, o))
	proxy.Freeze()
	if err := ended(t, s); !strings.Contains(err.Error(), "ping") {
		t.Errorf("error is %v", err)
	}
}

// A proxy that does not take what comes keeps its connection.
func TestKeepAliveGoesOnWhileNobodyTakes(t *testing.T) {
	m := startMosquitto(t)
	source, o := open(t, newDriver(t, sourceOptions(m.addr))), agentOptions(m.addr)
	o.KeepAlive, o.Buffer = time.Second, 10
	agent := open(t, newDriver(t, o))
	const count = 500
	for n := range count {
		_, err := source.Publish(within(t), spec(int64(n)))
		mustNot(t, err)
	}
	select {
	case <-agent.Done():
		t.Fatalf("session has ended: %v", agent.Err())
	case <-time.After(3 * time.Second): // the broker waits 1.5 s for a ping
	}
	for n := range count {
		if got := take(t, agent).Event.ResourceVersion; got != int64(n) {
			t.Fatalf("version %d came, %d was next", got, n)
		}
	}
}

// mochi sends all of a resumed session at once, whatever our receive maximum.
func TestResumeWithMoreThanTheBuffer(t *testing.T) {
	b := startBroker(t, testbroker.Options{})
	o := agentOptions(b.Addr())
	o.SessionExpiry, o.Buffer = time.Hour, 16
	source, driver := open(t, newDriver(t, sourceOptions(b.Addr()))), newDriver(t, o)
	mustNot(t, open(t, driver).Close(within(t)))
	const count = 2000
	for n := range count {
		_, err := source.Publish(within(t), spec(int64(n)))
		mustNot(t, err)
	}
	other := options("agent", "agent2", "cluster2", b.Addr())
	witness, last := open(t, newDriver(t, other)), spec(count)
	last.Cluster = "cluster2"
	_, err := source.Publish(within(t), last)
	mustNot(t, err)
	take(t, witness) // mochi confirms before it hands on: now it has

	agent := open(t, driver) // SUBACK comes behind all of it
	for n := range count {
		if got := take(t, agent).Event.ResourceVersion; got != int64(n) {
			t.Fatalf("version %d came, %d was next", got, n)
		}
	}
}

// A broker that floods us is not read any further at some point, and nothing
// is lost by it.
func TestFloodStopsTheReading(t *testing.T) {
	const count, size = 80, 1 << 20 // more than is taken, and than sockets hold
	l, err := net.Listen("tcp", "127.0.0.1:0")
	mustNot(t, err)
	defer l.Close()
	var written atomic.Int64
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait) // after the session is closed
	serving.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 1024))
		_, _ = conn.Write([]byte("\x20\x03\x00\x00\x00"))
		for n := range count {
			p := paho.Publish{Topic: fmt.Sprint(n), Payload: make([]byte, size)}
			if _, err := p.Packet().WriteTo(conn); err != nil {
				return
			}
			written.Add(1)
		}
		_, _ = io.Copy(io.Discard, conn) // until the client hangs up
	})
	o := agentOptions(l.Addr().String())
	o.Buffer = 4
	s := dial(t, newDriver(t, o))
	eventually(t, "64 MiB are taken", func() bool { return written.Load() >= 64 })
	time.Sleep(200 * time.Millisecond) // for the rest to come, if it did
	if written.Load() == count {
		t.Error("everything was read, and nobody has taken it")
	}
	for n := range count {
		if got := take(t, s).Topic; got != fmt.Sprint(n) {
			t.Fatalf("%s came, %d was next", got, n)
		}
	}
}

func TestOurPacketLimit(t *testing.T) {
	b := startBroker(t, testbroker.Options{MaxPacket: 64 << 10})
	o := sourceOptions(b.Addr())
	o.MaxPacketBytes = 4096
	s := open(t, newDriver(t, o))
	if info := s.Info(); info.MaxPacket != 4096 || info.MaxPayload != 4096-1024 {
		t.Errorf("info is %+v", info)
	}
	e := spec(1)
	e.Payload.Data = make([]byte, 4096)
	var tooLarge *transport.TooLargeError
	if _, err := s.Publish(within(t), e); !errors.As(err, &tooLarge) || tooLarge.Limit != 4096 {
		t.Errorf("error is %v", err)
	}

	// What others send beyond it does not reach us, or ends the session.
	other := open(t, newDriver(t, agentOptions(b.Addr())))
	large := status()
	large.Payload.Data = fmt.Appendf(nil, `{"x":%q}`, strings.Repeat("x", 5000))
	_, err := other.Publish(within(t), large)
	mustNot(t, err)
	_, err = other.Publish(within(t), status())
	mustNot(t, err)
	if d := take(t, s); d.Event == nil || len(d.Event.Payload.Data) > 4096 {
		t.Errorf("delivery is %+v", d)
	}
}

// MQTT strings have a length of 16 bits, and paho would cut what is longer.
func TestAttributeTooLong(t *testing.T) {
	s := open(t, newDriver(t, sourceOptions(startBroker(t, testbroker.Options{}).Addr())))
	e := spec(1)
	e.Metadata = fmt.Sprintf(`{"annotations":{"a":%q}}`, strings.Repeat("x", 1<<16))
	_, err := s.Publish(within(t), e)
	var tooLarge *transport.TooLargeError
	if !errors.As(err, &tooLarge) || tooLarge.Limit != 65535 || !strings.Contains(err.Error(), "metadata") {
		t.Errorf("error is %v", err)
	}
}

func TestPublishNotAllowed(t *testing.T) {
	acl := file(t, []byte("topic read sources/#\ntopic read clusters/#\n"))
	readOnly := func(_, _ string, write bool) bool { return !write }
	lines := []string{"user root", "acl_file " + acl}
	onBothBrokers(t, testbroker.Options{Authorize: readOnly}, lines, func(t *testing.T, addr string) {
		s := open(t, newDriver(t, sourceOptions(addr)))
		for range 300 { // more than may be in flight: each gives its place back
			_, err := s.Publish(within(t), spec(1))
			var rejected *transport.RejectedError
			if !errors.As(err, &rejected) || rejected.Reason != 0x87 || !strings.Contains(err.Error(), "permission") {
				t.Fatalf("error is %v", err)
			}
		}
		if s.Err() != nil {
			t.Errorf("session has ended: %v", s.Err())
		}
	})
}

func TestSubscribeNotAllowed(t *testing.T) {
	broadcasts := func(_, topic string, _ bool) bool { return strings.HasSuffix(topic, "broadcast") }
	s := dial(t, newDriver(t, sourceOptions(startBroker(t, testbroker.Options{Authorize: broadcasts}).Addr())))
	err := s.Subscribe(within(t))
	var rejected *transport.RejectedError
	if !errors.As(err, &rejected) || rejected.Reason != 0x87 || !strings.Contains(err.Error(), "subscribe to sources/hub1/clusters/+/agentevents") {
		t.Errorf("error is %v", err)
	}
	if strings.Contains(err.Error(), "agentbroadcast") {
		t.Errorf("error %q names what is allowed", err)
	}
}

// A new configuration leaves nothing of the old one in the broker's session.
func TestInherit(t *testing.T) {
	onBothBrokers(t, testbroker.Options{}, nil, func(t *testing.T, addr string) {
		o := agentOptions(addr)
		o.SessionExpiry = time.Hour
		old := newDriver(t, o)
		mustNot(t, open(t, old).Close(within(t)))

		o.Topics.SourceEvents = "sources/+/consumers/cluster1/sourceevents"
		current := newDriver(t, o)
		current.Inherit(old)
		agent := open(t, current)
		sendRaw(t, addr, &paho.Publish{Topic: "sources/hub1/clusters/cluster1/sourceevents", QoS: 1, Payload: []byte("old")})
		sendRaw(t, addr, &paho.Publish{Topic: "sources/hub1/consumers/cluster1/sourceevents", QoS: 1, Payload: []byte("new")})
		if got, want := take(t, agent).Topic, "sources/hub1/consumers/cluster1/sourceevents"; got != want {
			t.Errorf("a message came on %s", got)
		}
	})
}

func TestBufferIsToldAsReceiveMaximum(t *testing.T) {
	m := startMosquitto(t, "max_inflight_messages 7")
	if got := dial(t, newDriver(t, sourceOptions(m.addr))).Info().MaxInFlight; got != 7 {
		t.Errorf("in flight are %d, the broker said 7", got)
	}
	b := startBroker(t, testbroker.Options{})
	if got := dial(t, newDriver(t, sourceOptions(b.Addr()))).Info().MaxInFlight; got != 256 {
		t.Errorf("in flight are %d, the cap is 256", got)
	}
}

// More publishers than the broker takes at a time wait; none is refused.
func TestReceiveMaximumIsKept(t *testing.T) {
	b := startBroker(t, testbroker.Options{ReceiveMaximum: 3})
	s := open(t, newDriver(t, sourceOptions(b.Addr())))
	results := make(chan error)
	for range 100 {
		go func() {
			_, err := s.Publish(t.Context(), spec(1))
			results <- err
		}()
	}
	for range 100 {
		mustNot(t, <-results)
	}
}

// What goes out is what docs/protocol.md says, byte for byte where it counts.
func TestPublishOnTheWire(t *testing.T) {
	b := startBroker(t, testbroker.Options{})
	seen := make(chan testbroker.Publish, 10)
	b.OnPublish(func(p testbroker.Publish) { seen <- p })
	source, agent := open(t, newDriver(t, sourceOptions(b.Addr()))), open(t, newDriver(t, agentOptions(b.Addr())))

	_, err := source.Publish(within(t), spec(3))
	mustNot(t, err)
	p := <-seen
	if p.Topic != "sources/hub1/clusters/cluster1/sourceevents" || p.QoS != 1 || p.Retain || p.Dup || p.PayloadFormat ||
		p.Expiry != 0 || p.ContentType != "application/json" || string(p.Payload) != `{"wifi":true}` {
		t.Errorf("packet is %+v", p)
	}
	names := make([]string, 0, len(p.UserProperties))
	for _, property := range p.UserProperties {
		names = append(names, property[0])
	}
	slices.Sort(names[5:]) // extensions come in any order
	want := []string{"ce-id", "ce-source", "ce-specversion", "ce-type", "ce-time",
		"ce-clustername", "ce-originalsource", "ce-resourceid", "ce-resourceversion"}
	if !slices.Equal(names, want) {
		t.Errorf("user properties are %v", names)
	}

	request := status()
	request.Type.Sub, request.Type.Action, request.OriginalSource = "spec", "resync_request", ""
	_, err = agent.Publish(within(t), request)
	mustNot(t, err)
	if p := <-seen; p.Topic != "clusters/cluster1/agentbroadcast" || p.Expiry != 60 {
		t.Errorf("packet is %+v", p)
	}
}
