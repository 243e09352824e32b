package transporttest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/transport"
)

func eventsArrive(t *testing.T, h Harness) {
	b := h.Start(t)
	source, agent := open(t, b.Driver(t, hub)), open(t, b.Driver(t, agent1))
	for _, e := range []*event.Event{
		spec(agent1.Cluster, 1), deletion(), binarySpec(), specWithMetadata(), request(hub, agent1.Cluster, ""),
	} {
		publish(t, source, e)
		sameEvent(t, takeEvent(t, agent), e)
	}
	for _, e := range []*event.Event{status(1), request(agent1, agent1.Cluster, hub.ID)} {
		publish(t, agent, e)
		sameEvent(t, takeEvent(t, source), e)
	}
}

func broadcastsReachAll(t *testing.T, h Harness) {
	b := h.Start(t)
	source := open(t, b.Driver(t, hub))
	other := open(t, b.Driver(t, Peer{Role: resource.Source, ID: "hub2"}))
	agent := open(t, b.Driver(t, agent1))
	second := open(t, b.Driver(t, Peer{Role: resource.Agent, ID: "agent2", Cluster: "cluster2"}))

	fromSource := request(hub, "", "")
	publish(t, source, fromSource)
	sameEvent(t, takeEvent(t, agent), fromSource)
	sameEvent(t, takeEvent(t, second), fromSource)

	fromAgent := request(agent1, agent1.Cluster, "")
	publish(t, agent, fromAgent)
	sameEvent(t, takeEvent(t, source), fromAgent)
	sameEvent(t, takeEvent(t, other), fromAgent)
}

func clustersAreApart(t *testing.T, h Harness) {
	b := h.Start(t)
	source, agent := open(t, b.Driver(t, hub)), open(t, b.Driver(t, agent1))
	longer := open(t, b.Driver(t, Peer{Role: resource.Agent, ID: "agent10", Cluster: "cluster10"}))

	publish(t, source, spec("cluster10", 1))
	publish(t, source, spec("cluster1", 2))
	if e := takeEvent(t, longer); e.Cluster != "cluster10" {
		t.Errorf("cluster10 got an event of %s", e.Cluster)
	}
	if e := takeEvent(t, agent); e.Cluster != "cluster1" {
		t.Errorf("cluster1 got an event of %s", e.Cluster)
	}
	nothingComes(t, agent)
	nothingComes(t, longer)
}

func orderIsKept(t *testing.T, h Harness) {
	const count = 300
	b := h.Start(t)
	source, agent := open(t, b.Driver(t, hub)), open(t, b.Driver(t, agent1))
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() {
		for n := range count {
			if _, err := source.Publish(t.Context(), spec(agent1.Cluster, n)); err != nil {
				t.Errorf("publish %d: %v", n, err)
				return
			}
		}
	})
	expectInOrder(t, agent, 0, count)
}

// expectInOrder takes the specs from first up to, not including, end.
func expectInOrder(t *testing.T, s transport.Session, first, end int) {
	t.Helper()
	for n := first; n < end; n++ {
		if got, want := takeEvent(t, s).ResourceID, fmt.Sprintf("dev-%d", n); got != want {
			t.Fatalf("%s came, and %s was next", got, want)
		}
	}
}

func manyPublishers(t *testing.T, h Harness) {
	const publishers, each = 16, 40
	b := h.Start(t)
	source, agent := open(t, b.Driver(t, hub)), open(t, b.Driver(t, agent1))
	var running sync.WaitGroup
	defer running.Wait()
	for p := range publishers {
		running.Go(func() {
			for n := range each {
				if _, err := source.Publish(t.Context(), spec(agent1.Cluster, p*each+n)); err != nil {
					t.Errorf("publish: %v", err)
				}
			}
		})
	}
	last := slices.Repeat([]int64{-1}, publishers) // version of each publisher
	for range publishers * each {
		e := takeEvent(t, agent)
		n := e.ResourceVersion - 1
		if p := n / each; n <= last[p] {
			t.Fatalf("publisher %d: %d came after %d", p, n, last[p])
		} else {
			last[p] = n
		}
	}
	nothingComes(t, agent)
}

func slowTaker(t *testing.T, h Harness) {
	const count = 700 // more than is buffered anywhere by promise
	b := h.Start(t)
	source, agent := open(t, b.Driver(t, hub)), open(t, b.Driver(t, agent1))
	for n := range count {
		publish(t, source, spec(agent1.Cluster, n))
	}
	publish(t, agent, status(1)) // the connection is not stuck
	takeEvent(t, source)
	expectInOrder(t, agent, 0, count)
	nothingComes(t, agent)
}

func acksOutOfOrder(t *testing.T, h Harness) {
	b := h.Start(t)
	source, agent := open(t, b.Driver(t, hub)), open(t, b.Driver(t, agent1))
	var acks []func()
	for n := range 10 {
		publish(t, source, spec(agent1.Cluster, n))
		acks = append(acks, take(t, agent).Ack)
	}
	for _, ack := range slices.Backward(acks) {
		ack()
		ack() // twice is once
	}
	publish(t, source, spec(agent1.Cluster, 10))
	expectInOrder(t, agent, 10, 11)
}

func garbage(t *testing.T, h Harness) {
	b := h.Start(t)
	source, agent := open(t, b.Driver(t, hub)), open(t, b.Driver(t, agent1))
	b.Garbage(t, agent1)
	d := take(t, agent)
	if d.Err == nil {
		t.Fatalf("garbage became the event %+v", d.Event)
	}
	d.Ack()
	publish(t, source, spec(agent1.Cluster, 1))
	expectInOrder(t, agent, 1, 2)
}

func comesAgain(t *testing.T, h Harness) {
	b := h.Start(t)
	source, driver := open(t, b.Driver(t, hub)), b.Driver(t, agent1)
	agent := open(t, driver)
	for n := range 5 {
		publish(t, source, spec(agent1.Cluster, n))
	}
	take(t, agent).Ack()
	late := []func(){take(t, agent).Ack, take(t, agent).Ack}
	b.Break()
	ended(t, agent)
	for _, ack := range late {
		ack() // of a session that is over: no effect
	}
	agent = open(t, driver)
	first := takeEvent(t, agent)
	if first.ResourceID == "dev-0" { // its acknowledgement did not get through
		first = takeEvent(t, agent)
	}
	if first.ResourceID != "dev-1" {
		t.Fatalf("%s came, and dev-1 was next", first.ResourceID)
	}
	expectInOrder(t, agent, 2, 5)
	nothingComes(t, agent)
}

func doesNotComeAgain(t *testing.T, h Harness) {
	b := h.Start(t)
	source, driver := open(t, b.Driver(t, hub)), b.Driver(t, agent1)
	agent := open(t, driver)
	for n := range 3 {
		publish(t, source, spec(agent1.Cluster, n))
	}
	expectInOrder(t, agent, 0, 3)
	if err := agent.Close(within(t)); err != nil {
		t.Fatalf("close: %v", err)
	}
	witness := open(t, b.Driver(t, Peer{Role: resource.Agent, ID: "agent2", Cluster: "cluster2"}))
	publish(t, source, spec(agent1.Cluster, 3)) // while the agent is away
	publish(t, source, spec("cluster2", 4))
	takeEvent(t, witness) // so the broker has put both where they belong
	agent = open(t, driver)
	expectInOrder(t, agent, 3, 4)
	nothingComes(t, agent)
}

func nobodyListens(t *testing.T, h Harness) {
	b := h.Start(t)
	source := open(t, b.Driver(t, hub))
	if receipt := publish(t, source, spec(agent1.Cluster, 1)); !receipt.NoSubscribers {
		t.Error("the receipt does not say that nobody listens")
	}
	open(t, b.Driver(t, agent1))
	if receipt := publish(t, source, spec(agent1.Cluster, 2)); receipt.NoSubscribers {
		t.Error("the receipt says that nobody listens, and an agent does")
	}
}

func tooLarge(t *testing.T, h Harness) {
	b := h.Start(t)
	source, agent := open(t, b.Driver(t, hub)), open(t, b.Driver(t, agent1))
	info := source.Info()
	if info.MaxPacket <= 0 || info.MaxPayload <= 0 || info.MaxPayload >= info.MaxPacket {
		t.Fatalf("limits are %+v", info)
	}
	e := spec(agent1.Cluster, 1)
	e.Payload.Data = make([]byte, info.MaxPacket)
	_, err := source.Publish(within(t), e)
	var refused *transport.TooLargeError
	if !errors.As(err, &refused) || refused.Limit != info.MaxPacket || refused.Size <= refused.Limit {
		t.Fatalf("error is %v, not a TooLargeError with sizes", err)
	}
	e.Payload.Data = make([]byte, info.MaxPayload)
	publish(t, source, e) // fits, on the same session
	if got := takeEvent(t, agent); len(got.Payload.Data) != info.MaxPayload {
		t.Errorf("%d bytes came, sent were %d", len(got.Payload.Data), info.MaxPayload)
	}
}
