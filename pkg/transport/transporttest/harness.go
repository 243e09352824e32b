package transporttest

import (
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/transport"
)

// Harness is a kind of broker with the driver under test.
type Harness struct {
	// Start starts an empty broker; it ends with the test.
	Start func(t *testing.T) Broker

	Redelivers         bool // what is not acknowledged comes again after the connection broke
	TellsNoSubscribers bool // Receipt.NoSubscribers
	LimitsPackets      bool // Start's broker has a limit, and Info.MaxPacket tells it
}

// Broker is one broker that a test does things to.
type Broker interface {
	// Driver makes a driver for the peer. Two drivers of one peer are the same
	// client to the broker.
	Driver(t *testing.T, p Peer) transport.Driver

	Break()                       // breaks all connections; the broker's state stays
	Freeze()                      // the broker takes and sends nothing any more, until Break
	Kill()                        // ends it as kill -9 does
	Restart()                     // after Kill, at the same address; what it knew may be gone
	Garbage(t *testing.T, p Peer) // sends the peer a message that is not an event
}

// Peer is who a driver connects as.
type Peer struct {
	Role    resource.Role
	ID      string
	Cluster string // of an agent
}

// The peers of most tests.
var (
	hub    = Peer{Role: resource.Source, ID: "hub1"}
	agent1 = Peer{Role: resource.Agent, ID: "agent1", Cluster: "cluster1"}
)

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	tests := []struct {
		name string
		test func(*testing.T, Harness)
		skip bool
	}{
		{name: "EventsArriveAsTheyWere", test: eventsArrive},
		{name: "BroadcastsReachEveryPeer", test: broadcastsReachAll},
		{name: "ClustersHearOnlyTheirOwn", test: clustersAreApart},
		{name: "OrderIsKept", test: orderIsKept},
		{name: "ManyPublishersLoseNothing", test: manyPublishers},
		{name: "SlowTakerLosesNothing", test: slowTaker},
		{name: "AcksOutOfOrderAreHarmless", test: acksOutOfOrder},
		{name: "GarbageIsAnErrorAndNoMore", test: garbage},
		{name: "UnacknowledgedComesAgainInOrder", test: comesAgain, skip: !h.Redelivers},
		{name: "AcknowledgedDoesNotComeAgain", test: doesNotComeAgain, skip: !h.Redelivers},
		{name: "NobodyListens", test: nobodyListens, skip: !h.TellsNoSubscribers},
		{name: "TooLargeIsNotSent", test: tooLarge, skip: !h.LimitsPackets},
		{name: "InfoIsComplete", test: infoIsComplete},
		{name: "CloseEndsTheSession", test: closeEnds},
		{name: "BreakEndsTheSession", test: breakEnds},
		{name: "PublishInFlightEndsWithTheConnection", test: inFlightEnds},
		{name: "PublishEndsWithItsContext", test: publishContext},
		{name: "DialEndsWithItsContext", test: dialContext},
		{name: "DialFailsWithoutBroker", test: dialFails},
		{name: "DriverConnectsAgain", test: connectsAgain},
	}
	for _, test := range tests {
		if test.skip {
			continue // the broker does not have this
		}
		t.Run(test.name, func(t *testing.T) { test.test(t, h) })
	}
}
