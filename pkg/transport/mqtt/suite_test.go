package mqtt_test

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/topics"
	"github.com/pillion-dev/pillion/pkg/transport"
	"github.com/pillion-dev/pillion/pkg/transport/mqtt"
	"github.com/pillion-dev/pillion/pkg/transport/transporttest"
	"github.com/pillion-dev/pillion/testbroker"
)

const packetLimit = 64 << 10

func TestSuiteOnMochi(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{
		Start: func(t *testing.T) transporttest.Broker {
			b := startBroker(t, testbroker.Options{MaxPacket: packetLimit})
			return newBench(t, b.Addr(), func() { _ = b.Stop() }, func() { mustNot(t, b.Restart()) })
		},
		Redelivers: true, LimitsPackets: true,
	})
}

func TestSuiteOnMosquitto(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{
		Start: func(t *testing.T) transporttest.Broker {
			m := startMosquitto(t, "max_packet_size 65536")
			return newBench(t, m.addr, m.kill, func() { m.start(t) })
		},
		Redelivers: true, LimitsPackets: true, TellsNoSubscribers: true,
	})
}

// The suite with QoS 2 both ways: an SDK file may ask for it.
func TestSuiteWithQoS2(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{
		Start: func(t *testing.T) transporttest.Broker {
			m := startMosquitto(t, "max_packet_size 65536")
			b := newBench(t, m.addr, m.kill, func() { m.start(t) })
			b.qos = 2
			return b
		},
		LimitsPackets: true,
	})
}

// bench is a broker behind a proxy.
type bench struct {
	*transporttest.Proxy
	broker        string
	kill, restart func()
	qos           byte
}

func newBench(t *testing.T, broker string, kill, restart func()) *bench {
	return &bench{transporttest.NewProxy(t, broker), broker, kill, restart, 1}
}

func (b *bench) Kill()    { b.kill() }
func (b *bench) Restart() { b.restart() }

func (b *bench) Driver(t *testing.T, p transporttest.Peer) transport.Driver {
	o := options(p.Role, p.ID, p.Cluster, b.Addr())
	o.SessionExpiry, o.PubQoS, o.SubQoS = time.Hour, b.qos, b.qos
	return newDriver(t, o)
}

// Garbage is a message without attributes.
func (b *bench) Garbage(t *testing.T, p transporttest.Peer) {
	topic := "sources/hub1/clusters/" + p.Cluster + "/sourceevents"
	sendRaw(t, b.broker, &paho.Publish{Topic: topic, QoS: 1, Payload: []byte(`{"secret":1}`)})
}

// sendRaw publishes a packet as it is, by a client of its own.
func sendRaw(t *testing.T, broker string, packet *paho.Publish) {
	t.Helper()
	inner, err := net.Dial("tcp", broker)
	mustNot(t, err)
	client := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(inner)})
	ctx := within(t)
	_, err = client.Connect(ctx, &paho.Connect{ClientID: "raw", KeepAlive: 30, CleanStart: true})
	mustNot(t, err)
	_, err = client.Publish(ctx, packet)
	mustNot(t, err)
	mustNot(t, client.Disconnect(&paho.Disconnect{}))
}

// options are what a sidecar of the role has by default.
func options(role resource.Role, id, cluster string, brokers ...string) mqtt.Options {
	return mqtt.Options{
		Role: role, ID: id, Cluster: cluster, Topics: topics.Defaults(role, id, cluster), Brokers: brokers,
		Log: slog.New(slog.DiscardHandler),
	}
}

func sourceOptions(brokers ...string) mqtt.Options {
	return options(resource.Source, "hub1", "", brokers...)
}

func agentOptions(brokers ...string) mqtt.Options {
	return options(resource.Agent, "agent1", "cluster1", brokers...)
}

func newDriver(t testing.TB, o mqtt.Options) *mqtt.Driver {
	t.Helper()
	d, err := mqtt.New(o)
	mustNot(t, err)
	return d
}

func startBroker(t testing.TB, o testbroker.Options) *testbroker.Broker {
	t.Helper()
	b, err := testbroker.Start(o)
	mustNot(t, err)
	t.Cleanup(func() { mustNot(t, b.Close()) })
	return b
}

// dial opens a session that is closed at the end of the test.
func dial(t testing.TB, d *mqtt.Driver) transport.Session {
	t.Helper()
	s, err := d.Dial(within(t))
	mustNot(t, err)
	closeLater(t, s)
	return s
}

func closeLater(t testing.TB, s transport.Session) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = s.Close(ctx)
	})
}

func open(t testing.TB, d *mqtt.Driver) transport.Session {
	t.Helper()
	s := dial(t, d)
	mustNot(t, s.Subscribe(within(t)))
	return s
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func mustNot(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ended(t *testing.T, s transport.Session) error {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(15 * time.Second):
		t.Fatal("the session did not end")
	}
	return s.Err()
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
