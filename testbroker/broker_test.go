package testbroker_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"go.uber.org/goleak"

	"github.com/pillion-dev/pillion/testbroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o testbroker.Options) *testbroker.Broker {
	t.Helper()
	b, err := testbroker.Start(o)
	mustNot(t, err)
	t.Cleanup(func() { mustNot(t, b.Close()) })
	return b
}

func mustNot(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// client is a plain MQTT client.
type client struct {
	*paho.Client
	connack  *paho.Connack
	messages chan *paho.Publish
}

func tryConnect(t *testing.T, b *testbroker.Broker, connect *paho.Connect) (*client, error) {
	t.Helper()
	conn, err := net.Dial("tcp", b.Addr())
	mustNot(t, err)
	c := &client{messages: make(chan *paho.Publish, 10_000)}
	c.Client = paho.NewClient(paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(conn),
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			c.messages <- p.Packet
			return true, nil
		}},
	})
	connect.KeepAlive = 60
	c.connack, err = c.Connect(within(t), connect)
	if err == nil {
		t.Cleanup(func() { _ = c.Disconnect(&paho.Disconnect{}) })
	}
	return c, err
}

func connect(t *testing.T, b *testbroker.Broker, id string) *client {
	t.Helper()
	c, err := tryConnect(t, b, &paho.Connect{ClientID: id, CleanStart: true})
	mustNot(t, err)
	return c
}

// resuming has a session that outlives its connection.
func resuming(t *testing.T, b *testbroker.Broker, id string) *client {
	t.Helper()
	c, err := tryConnect(t, b, &paho.Connect{ClientID: id, Properties: &paho.ConnectProperties{
		SessionExpiryInterval: paho.Uint32(3600), RequestProblemInfo: true,
	}})
	mustNot(t, err)
	return c
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func (c *client) subscribe(t *testing.T, filter string) {
	t.Helper()
	_, err := c.Subscribe(within(t), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 1}}})
	mustNot(t, err)
}

func (c *client) publish(t *testing.T, topic, payload string) {
	t.Helper()
	_, err := c.Publish(within(t), &paho.Publish{Topic: topic, QoS: 1, Payload: []byte(payload)})
	mustNot(t, err)
}

func (c *client) expect(t *testing.T, payloads ...string) {
	t.Helper()
	for _, want := range payloads {
		select {
		case p := <-c.messages:
			if got := string(p.Payload); got != want {
				t.Fatalf("%q came, %q was next", got, want)
			}
		case <-time.After(15 * time.Second):
			t.Fatalf("%q did not come", want)
		}
	}
}

func (c *client) expectNothing(t *testing.T) {
	t.Helper()
	select {
	case p := <-c.messages:
		t.Fatalf("%q came", p.Payload)
	case <-time.After(100 * time.Millisecond):
	}
}

func (c *client) expectEnd(t *testing.T) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(15 * time.Second):
		t.Fatal("the connection did not end")
	}
}

func TestRestartForgetsAllAndKeepsThePort(t *testing.T) {
	b := start(t, testbroker.Options{})
	addr := b.Addr()
	for range 5 {
		c := resuming(t, b, "c")
		if c.connack.SessionPresent {
			t.Fatal("the broker remembers a session")
		}
		c.subscribe(t, "#")
		_, err := c.Publish(within(t), &paho.Publish{Topic: "t", QoS: 1, Retain: true, Payload: []byte("old")})
		mustNot(t, err)
		c.expect(t, "old")
		mustNot(t, b.Stop())
		c.expectEnd(t)
		if _, err := net.Dial("tcp", addr); err == nil {
			t.Fatal("a stopped broker listens")
		}
		mustNot(t, b.Restart())
		if b.Addr() != addr {
			t.Fatalf("address is %s, was %s", b.Addr(), addr)
		}
		fresh := connect(t, b, "fresh")
		fresh.subscribe(t, "#")
		fresh.expectNothing(t)
	}
	mustNot(t, b.Close())
	mustNot(t, b.Close())
	if err := b.Restart(); err == nil {
		t.Error("a closed broker restarts")
	}
}

func TestDropKeepsSessionsAndOrder(t *testing.T) {
	b := start(t, testbroker.Options{})
	away, other := resuming(t, b, "away"), connect(t, b, "other")
	away.subscribe(t, "t")
	if got := b.Clients(); !slices.Equal(got, []string{"away", "other"}) {
		t.Fatalf("clients are %v", got)
	}
	b.DropClient("away")
	away.expectEnd(t)
	var want []string
	for n := range 100 {
		want = append(want, fmt.Sprint(n))
		other.publish(t, "t", want[n])
	}
	other.subscribe(t, "end")
	other.publish(t, "end", "") // the broker has handed on what came before
	other.expect(t, "")
	back := resuming(t, b, "away")
	if !back.connack.SessionPresent {
		t.Error("the session is gone")
	}
	back.expect(t, want...)
	b.DropConnections()
	other.expectEnd(t)
	back.expectEnd(t)
}

// A client without a session that comes back at once, while its old connection
// is still there or just ending, is a client like any other.
func TestAClientThatComesBackAtOnceIsServed(t *testing.T) {
	b := start(t, testbroker.Options{})
	other := connect(t, b, "other")
	for n := range 500 {
		c := connect(t, b, "c") // takes the place of the one before
		c.subscribe(t, "t")
		want := fmt.Sprint(n)
		other.publish(t, "t", want)
		c.expect(t, want)
	}
}

func TestHold(t *testing.T) {
	b := start(t, testbroker.Options{})
	publisher, subscriber := connect(t, b, "p"), connect(t, b, "s")
	subscriber.subscribe(t, "#")
	releaseAll, releaseA := b.Hold("+/x"), b.Hold("a/#")
	publisher.publish(t, "a/x", "1") // both
	publisher.publish(t, "b/x", "2")
	publisher.publish(t, "b/y", "free")
	subscriber.expect(t, "free")
	subscriber.expectNothing(t)
	releaseAll()
	subscriber.expect(t, "2")
	publisher.publish(t, "a/x", "3")
	subscriber.expectNothing(t)
	releaseA()
	releaseA()
	publisher.publish(t, "a/x", "4")
	subscriber.expect(t, "1", "3", "4")
}

func TestRefuse(t *testing.T) {
	b := start(t, testbroker.Options{})
	b.Refuse(true)
	if c, err := tryConnect(t, b, &paho.Connect{ClientID: "c"}); err == nil || c.connack == nil || c.connack.ReasonCode != 0x88 {
		t.Errorf("answer is %v, error %v", c.connack, err)
	}
	b.Refuse(false)
	connect(t, b, "c")
}

func TestUsersAndPermissions(t *testing.T) {
	b := start(t, testbroker.Options{
		Users:     map[string]string{"me": "secret"},
		Authorize: func(client, topic string, write bool) bool { return client == "c" && (topic == "mine") == write },
	})
	if _, err := tryConnect(t, b, &paho.Connect{ClientID: "c"}); err == nil {
		t.Error("the broker takes anyone")
	}
	me := &paho.Connect{ClientID: "c", UsernameFlag: true, Username: "me", PasswordFlag: true, Password: []byte("secret")}
	c, err := tryConnect(t, b, me)
	mustNot(t, err)
	c.publish(t, "mine", "x")
	if _, err := c.Publish(within(t), &paho.Publish{Topic: "other", QoS: 1}); err == nil {
		t.Error("a publish without permission is taken")
	}
	c.subscribe(t, "other")
}

func TestLimitsAreTold(t *testing.T) {
	b := start(t, testbroker.Options{MaxPacket: 2000, ReceiveMaximum: 5})
	c := connect(t, b, "c")
	if p := c.connack.Properties; p.MaximumPacketSize == nil || *p.MaximumPacketSize != 2000 || *p.ReceiveMaximum != 5 {
		t.Errorf("limits are %+v", p)
	}
	_, _ = c.PublishWithOptions(within(t), &paho.Publish{Topic: "t", QoS: 1, Payload: make([]byte, 3000)}, paho.PublishOptions{Method: paho.PublishMethod_AsyncSend})
	c.expectEnd(t)
}

func TestEveryPublishIsSeenAndCounted(t *testing.T) {
	b := start(t, testbroker.Options{})
	var seen []testbroker.Publish
	b.OnPublish(func(p testbroker.Publish) { seen = append(seen, p) })
	p := &paho.Publish{Topic: "t", QoS: 1, Payload: []byte("hello"), Properties: &paho.PublishProperties{
		ContentType: "text/plain", MessageExpiry: paho.Uint32(9), User: paho.UserProperties{{Key: "b", Value: "2"}, {Key: "a", Value: "1"}},
	}}
	c := connect(t, b, "c")
	_, err := c.Publish(within(t), p)
	mustNot(t, err)
	mustNot(t, b.Stop()) // and nobody writes to seen any more
	var wire bytes.Buffer
	_, err = p.Packet().WriteTo(&wire)
	mustNot(t, err)
	if got, want := b.Stats()["t"], (testbroker.Count{Messages: 1, Bytes: int64(wire.Len())}); got != want {
		t.Errorf("counted are %+v, sent were %+v", got, want)
	}
	want := testbroker.Publish{
		Client: "c", Topic: "t", QoS: 1, ContentType: "text/plain", Expiry: 9, Payload: []byte("hello"), Size: wire.Len(),
		UserProperties: [][2]string{{"b", "2"}, {"a", "1"}},
	}
	if len(seen) != 1 || fmt.Sprint(seen[0]) != fmt.Sprint(want) {
		t.Errorf("seen are %+v", seen)
	}
}

// logBuffer may be written to while it is read: the broker's loops log their
// end when they come to it.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestLogHoldsNoPayloads(t *testing.T) {
	var log logBuffer
	b := start(t, testbroker.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})).With("x", 1).WithGroup("broker")})
	conn, err := net.Dial("tcp", b.Addr())
	mustNot(t, err)
	defer conn.Close()
	_, err = (&packets.Connect{ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: "c", CleanStart: true, Properties: &packets.Properties{}}).WriteTo(conn)
	mustNot(t, err)
	// A topic with a wildcard is an error that mochi logs with the packet.
	_, err = (&packets.Publish{Topic: "a/#", QoS: 1, PacketID: 1, Payload: []byte("hush-hush"), Properties: &packets.Properties{}}).WriteTo(conn)
	mustNot(t, err)
	_, _ = conn.Read(make([]byte, 100))
	for err == nil { // until the broker hangs up
		_, err = conn.Read(make([]byte, 100))
	}
	mustNot(t, b.Close())
	if text := log.String(); !strings.Contains(text, "error processing packet") || strings.Contains(text, "hush") || strings.Contains(text, "104 117 115 104") {
		t.Errorf("log is %s", text)
	}
}

func TestURL(t *testing.T) {
	b := start(t, testbroker.Options{WebSocket: true})
	if got, want := b.URL(), "ws://"+b.Addr()+"/mqtt"; got != want {
		t.Errorf("URL is %s", got)
	}
	if _, err := testbroker.Start(testbroker.Options{Listen: b.Addr()}); err == nil || !strings.Contains(err.Error(), b.Addr()) {
		t.Errorf("error %v does not name the address", err)
	}
}
