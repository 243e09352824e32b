package mqtt_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/pillion-dev/pillion/pkg/transport"
	"github.com/pillion-dev/pillion/pkg/transport/mqtt"
	"github.com/pillion-dev/pillion/testbroker"
)

const password = "correct-horse"

// dialError dials and expects an error that refuses, says want, and holds no
// credentials.
func dialError(t *testing.T, o mqtt.Options, want string) error {
	t.Helper()
	s, err := newDriver(t, o).Dial(within(t))
	if err == nil {
		closeLater(t, s)
		t.Fatal("dial succeeds")
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("error %q does not say %q", err, want)
	}
	if strings.Contains(err.Error(), password) || o.Password != "" && strings.Contains(err.Error(), o.Password) {
		t.Errorf("error %q holds the password", err)
	}
	return err
}

func TestPassword(t *testing.T) {
	b := startBroker(t, testbroker.Options{Users: map[string]string{"hub": password}})
	o := sourceOptions(b.Addr())
	o.Username, o.Password = "hub", password
	open(t, newDriver(t, o))

	o.Password = "wrong-horse"
	if err := dialError(t, o, "check username and password"); !errors.Is(err, transport.ErrRefused) {
		t.Errorf("error %v is not ErrRefused", err)
	}
	dialError(t, sourceOptions(b.Addr()), "check username and password")
}

func TestPasswordOnMosquitto(t *testing.T) {
	m := startMosquitto(t, "allow_anonymous false")
	if err := dialError(t, sourceOptions(m.addr), "reason 0x8"); !errors.Is(err, transport.ErrRefused) {
		t.Errorf("error %v is not ErrRefused", err)
	}
}

func TestServerUnavailable(t *testing.T) {
	b := startBroker(t, testbroker.Options{})
	b.Refuse(true)
	if err := dialError(t, sourceOptions(b.Addr()), "not available"); !errors.Is(err, transport.ErrRefused) {
		t.Errorf("error %v is not ErrRefused", err)
	}
	b.Refuse(false)
	open(t, newDriver(t, sourceOptions(b.Addr())))
}

// answering is a server that reads something and answers with bytes.
func answering(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	mustNot(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1024))
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func TestPeersThatAreNoMQTT5Brokers(t *testing.T) {
	connack := func(reason string) string { return "\x20\x03\x00" + reason + "\x00" }
	for _, test := range []struct{ name, answer, want string }{
		{"MQTT 3.1.1", "\x20\x02\x00\x01", "MQTT 3.1.1 only"},
		{"unsupported version", connack("\x84"), "does not speak MQTT 5"},
		{"bad client id", connack("\x85"), "mqtt.clientID"},
		{"not authorized", connack("\x87"), "check user name and password"},
		{"busy", connack("\x89"), "busy"},
		{"banned", connack("\x8a"), "banned"},
		{"use another server", connack("\x9c"), "change brokerHost"},
		{"unknown reason", connack("\xc3"), "reason 0xc3"},
		{"QoS 0 only", "\x20\x05\x00\x00\x02\x24\x00", "QoS 0 only"},
		{"HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak MQTT"},
		{"TLS", "\x15\x03\x01\x00\x02\x02\x46", "use mqtts://"},
		{"silence", "", "closed the connection without a word"},
		{"enhanced authentication", "\xf0\x02\x18\x00", "enhanced authentication"},
		{"a huge packet", "\x20\xff\xff\xff\xff\xff", "malformed length"},
		{"a packet that is cut", "\x20\x7f\x00", "without a word"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dialError(t, sourceOptions(answering(t, test.answer)), test.want)
		})
	}
}

// A CONNACK that speaks of enhanced authentication unasked must not do harm.
func TestConnackWithAuthMethod(t *testing.T) {
	addr := answering(t, "\x20\x0a\x00\x00\x07\x15\x00\x04SCRM\xd0\x00")
	s, err := newDriver(t, sourceOptions(addr)).Dial(within(t))
	if err == nil {
		closeLater(t, s)
		_ = ended(t, s)
	}
}

func TestDialTimeout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	mustNot(t, err)
	defer l.Close()
	o := sourceOptions(l.Addr().String())
	o.DialTimeout = 50 * time.Millisecond
	if err := dialError(t, o, "no answer in time"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
}

func TestFailover(t *testing.T) {
	first, second := startBroker(t, testbroker.Options{}), startBroker(t, testbroker.Options{})
	d := newDriver(t, sourceOptions(first.Addr(), second.URL()))

	expect := func(b *testbroker.Broker) {
		t.Helper()
		s := dial(t, d)
		if got, want := s.Info().Broker, "mqtt://"+b.Addr(); got != want {
			t.Errorf("broker is %s, expected %s", got, want)
		}
		mustNot(t, s.Close(within(t)))
	}
	expect(first)
	expect(first) // it stays with the one that worked
	mustNot(t, first.Stop())
	if _, err := d.Dial(within(t)); err == nil || !strings.Contains(err.Error(), first.Addr()) {
		t.Errorf("error %v does not name the broker", err)
	}
	expect(second)
	mustNot(t, first.Restart())
	expect(second)
	mustNot(t, second.Stop())
	if _, err := d.Dial(within(t)); err == nil {
		t.Error("dial succeeds without a broker")
	}
	expect(first)
}

func TestWebSocket(t *testing.T) {
	b := startBroker(t, testbroker.Options{WebSocket: true})
	exchange(t, sourceOptions(b.URL()), agentOptions(b.URL()))
}

func TestWebSocketOnMosquitto(t *testing.T) {
	addr := freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	startMosquitto(t, "listener "+port+" 127.0.0.1", "protocol websockets")
	listening(t, addr)
	exchange(t, sourceOptions("ws://"+addr+"/mqtt"), agentOptions("ws://"+addr+"/mqtt"))
}

// The path and the subprotocol reach the server; a refusal is told.
func TestWebSocketPath(t *testing.T) {
	seen := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		http.NotFound(w, r)
	}))
	defer server.Close()
	url := strings.Replace(server.URL, "http", "ws", 1) + "/edge/mqtt?token=hush"
	err := dialError(t, sourceOptions(url), "404 Not Found")
	if strings.Contains(err.Error(), "hush") {
		t.Errorf("error %q holds the query", err)
	}
	r := <-seen
	if r.URL.String() != "/edge/mqtt?token=hush" || !strings.Contains(r.Header.Get("Sec-WebSocket-Protocol"), "mqtt") {
		t.Errorf("request is %s with %v", r.URL, r.Header)
	}
	if !websocket.IsWebSocketUpgrade(r) {
		t.Error("request is no upgrade")
	}
}

// exchange sends an event each way.
func exchange(t *testing.T, source, agent mqtt.Options) {
	t.Helper()
	hub, one := open(t, newDriver(t, source)), open(t, newDriver(t, agent))
	for range 3 {
		sent := spec(1)
		_, err := hub.Publish(within(t), sent)
		mustNot(t, err)
		if got := take(t, one); got.Event == nil || got.Event.ID != sent.ID {
			t.Errorf("delivery is %+v", got)
		}
		answer := status()
		_, err = one.Publish(within(t), answer)
		mustNot(t, err)
		if got := take(t, hub); got.Event == nil || got.Event.ID != answer.ID {
			t.Errorf("delivery is %+v", got)
		}
	}
}
