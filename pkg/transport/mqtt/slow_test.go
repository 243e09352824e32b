package mqtt_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/transport"
	"github.com/pillion-dev/pillion/pkg/transport/mqtt"
	"github.com/pillion-dev/pillion/pkg/transport/transporttest"
	"github.com/pillion-dev/pillion/testbroker"
)

// slowBroker takes one client. It reads so many bytes a second, waits before
// each PUBACK, and answers none of the first publishes.
type slowBroker struct {
	rate  int
	pause time.Duration
	deaf  int
}

func (b slowBroker) start(t *testing.T) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	mustNot(t, err)
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	serving.Go(func() {
		if conn, err := l.Accept(); err == nil {
			defer conn.Close()
			b.serve(conn)
		}
	})
	return l.Addr().String()
}

func (b slowBroker) serve(conn net.Conn) {
	for {
		p, err := packets.ReadPacket(pacedReader{conn, b.rate})
		if err != nil {
			return
		}
		answer := ""
		switch content := p.Content.(type) {
		case *packets.Connect:
			answer = "\x20\x03\x00\x00\x00"
		case *packets.Publish:
			if b.deaf--; b.deaf >= 0 {
				continue
			}
			time.Sleep(b.pause)
			answer = "\x40\x02" + string([]byte{byte(content.PacketID >> 8), byte(content.PacketID)})
		case *packets.Pingreq:
			answer = "\xd0\x00"
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

// pacedReader is a link of so many bytes a second.
type pacedReader struct {
	io.Reader
	rate int
}

func (r pacedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p[:min(len(p), r.rate/100)])
	time.Sleep(time.Duration(n) * time.Second / time.Duration(r.rate))
	return n, err
}

func large(size int) *event.Event {
	e := spec(1)
	e.Payload.Data = fmt.Appendf(nil, `{"x":%q}`, strings.Repeat("x", size))
	return e
}

// A large packet takes its time on a slow link, and whatever comes behind it.
func TestSlowLink(t *testing.T) {
	addr := slowBroker{rate: 64 << 10}.start(t)
	const timeout = 500 * time.Millisecond
	s := dial(t, newDriver(t, mqtt.WithAckTimeout(sourceOptions(addr), timeout)))
	start := time.Now()
	_, err := s.Publish(within(t), large(96<<10))
	mustNot(t, err)
	if took := time.Since(start); took < 2*timeout {
		t.Errorf("it took only %s: nothing is tested", took)
	}
}

// A ping waits behind what is on its way.
func TestSlowLinkOutlastsAPing(t *testing.T) {
	addr := slowBroker{rate: 48 << 10}.start(t)
	o := mqtt.WithAckTimeout(sourceOptions(addr), 500*time.Millisecond)
	o.KeepAlive = time.Second
	s := dial(t, newDriver(t, o))
	start := time.Now()
	_, err := s.Publish(within(t), large(120<<10))
	mustNot(t, err)
	if took := time.Since(start); took < 2*time.Second {
		t.Errorf("it took only %s: nothing is tested", took)
	}
}

// A broker that answers one after the other is not dead, however long its queue.
func TestSlowBroker(t *testing.T) {
	addr := slowBroker{rate: 100 << 20, pause: 150 * time.Millisecond}.start(t)
	s := dial(t, newDriver(t, mqtt.WithAckTimeout(sourceOptions(addr), time.Second)))
	const publishers = 10
	results := make(chan error, publishers)
	for range publishers {
		go func() {
			_, err := s.Publish(t.Context(), spec(1))
			results <- err
		}()
	}
	for range publishers {
		mustNot(t, <-results)
	}
}

// A dead link ends the session though a large packet is on its way: as late as
// a slow one would have carried it.
func TestDeadLinkUnderALargePacket(t *testing.T) {
	proxy := transporttest.NewProxy(t, startBroker(t, testbroker.Options{}).Addr())
	s := open(t, newDriver(t, mqtt.WithAckTimeout(sourceOptions(proxy.Addr()), 200*time.Millisecond)))
	proxy.Freeze()
	start := time.Now()
	if _, err := s.Publish(within(t), large(16<<10)); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("error is %v", err)
	}
	if waited := time.Since(start); waited < 1200*time.Millisecond || waited > 5*time.Second {
		t.Errorf("the session lasted %s, the packet may take 1.2s", waited)
	}
	if err := ended(t, s); !strings.Contains(err.Error(), "has not answered a packet for 1.2s") {
		t.Errorf("error is %v", err)
	}
}

// An answer that never comes is missed though later ones do.
func TestAnswerThatIsLeftOutEndsSession(t *testing.T) {
	addr := slowBroker{rate: 100 << 20, deaf: 1}.start(t)
	s := dial(t, newDriver(t, mqtt.WithAckTimeout(sourceOptions(addr), 200*time.Millisecond)))
	var publishers sync.WaitGroup
	defer publishers.Wait()
	for range 2 { // of which one waits for what never comes
		publishers.Go(func() {
			for err := error(nil); err == nil; time.Sleep(10 * time.Millisecond) {
				_, err = s.Publish(t.Context(), spec(1))
			}
		})
	}
	select {
	case <-s.Done():
	case <-time.After(5 * time.Second):
		t.Error("the session goes on")
		mustNot(t, s.Close(within(t)))
	}
	if err := ended(t, s); !strings.Contains(err.Error(), "has not answered") {
		t.Errorf("error is %v", err)
	}
}
