package harness

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/google/uuid"
)

// Observer is a bare MQTT client that sees every packet on a broker. It takes
// part in nothing.
type Observer struct {
	broker *Broker
	client *paho.Client

	mu      sync.Mutex
	packets []Packet
}

// Observe attaches an observer to the broker.
func Observe(t testing.TB, broker *Broker) *Observer {
	t.Helper()
	o := &Observer{broker: broker}
	o.Attach(t)
	t.Cleanup(o.detach)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the packets on the broker:\n%s", o)
		}
	})
	return o
}

// Attach connects, again after a restart of the broker. What was seen before
// is kept.
func (o *Observer) Attach(t testing.TB) {
	t.Helper()
	o.detach()
	conn, err := net.Dial("tcp", o.broker.Addr)
	if err != nil {
		t.Fatalf("attach the observer: %v", err)
	}
	o.client = paho.NewClient(paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(conn),
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			o.add(packetOf(p.Packet))
			return true, nil
		}},
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	id := "observer-" + uuid.NewString()
	if _, err := o.client.Connect(ctx, &paho.Connect{ClientID: id, KeepAlive: 60, CleanStart: true}); err != nil {
		t.Fatalf("attach the observer: %v", err)
	}
	// QoS 2 and "retain as published" show what the publisher asked for.
	all := paho.SubscribeOptions{Topic: "#", QoS: 2, RetainAsPublished: true}
	if _, err := o.client.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{all}}); err != nil {
		t.Fatalf("subscribe the observer: %v", err)
	}
}

func (o *Observer) detach() {
	if o.client != nil {
		_ = o.client.Disconnect(&paho.Disconnect{})
		o.client = nil
	}
}

func (o *Observer) add(p Packet) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.packets = append(o.packets, p)
}

// Seen is how many packets were seen so far: the mark from which to look on.
func (o *Observer) Seen() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.packets)
}

// Since are the packets after the mark for which match holds.
func (o *Observer) Since(mark int, match func(*Packet) bool) (found []Packet) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := mark; i < len(o.packets); i++ {
		if match(&o.packets[i]) {
			found = append(found, o.packets[i])
		}
	}
	return found
}

// Await waits for the first packet after the mark for which match holds.
func (o *Observer) Await(t testing.TB, mark int, what string, match func(*Packet) bool) Packet {
	t.Helper()
	var found []Packet
	Eventually(t, Patience, "a packet: "+what, func() error {
		if found = o.Since(mark, match); len(found) == 0 {
			return fmt.Errorf("none among %d", o.Seen()-mark)
		}
		return nil
	})
	return found[0]
}

// From matches the packets of one sender with one action.
func From(sender, action string) func(*Packet) bool {
	return func(p *Packet) bool { return p.Attribute("source") == sender && p.Action() == action }
}

// About narrows a match to one resource.
func About(id string, match func(*Packet) bool) func(*Packet) bool {
	return func(p *Packet) bool { return p.Attribute("resourceid") == id && match(p) }
}

// String is a line for each of the last packets.
func (o *Observer) String() string {
	const most = 80
	o.mu.Lock()
	defer o.mu.Unlock()
	var lines []string
	for _, p := range o.packets[max(0, len(o.packets)-most):] {
		lines = append(lines, fmt.Sprintf("%s %s from=%s id=%s version=%s payload=%.200s",
			p.Topic, p.Action(), p.Attribute("source"), p.Attribute("resourceid"), p.Attribute("resourceversion"), p.Payload))
	}
	return strings.Join(lines, "\n")
}
