// Package transport is the contract between the proxy and whatever carries
// events: MQTT, gRPC or Kafka. A driver lives in a folder of its own below and
// is the only importer of its client library; the suite in transporttest is
// what every driver passes.
//
// Ordering: deliveries come in the order in which the other side sent them,
// and Ack must be called in that order. Publishes of different goroutines may
// overtake each other; one goroutine's do not.
//
// Blocking: Received is bounded. A proxy that does not take deliveries stops
// the reading of the connection once the receive maximum is reached; nothing
// is dropped.
package transport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
)

// Driver opens sessions with a broker.
type Driver interface {
	// Dial connects and returns a session that is not yet subscribed. Errors
	// say what to do about them and hold no credentials. It gives up when ctx
	// ends or after the driver's own dial timeout.
	Dial(ctx context.Context) (Session, error)

	// Broker is the address that Dial tries now or next, without credentials.
	Broker() string
}

// Session is one connection, from connect to its end. All methods may be
// called from any goroutine.
type Session interface {
	// Subscribe subscribes to what the role receives, and unsubscribes what an
	// earlier configuration left in a persistent session. It returns when the
	// broker has granted all of it.
	Subscribe(ctx context.Context) error

	// Publish sends an event and waits until the broker has taken it. It
	// returns at once, with ErrClosed in the chain, when the session ends.
	Publish(ctx context.Context, e *event.Event) (Receipt, error)

	// Received yields what arrives. It is closed after the session has ended
	// and everything received before was taken.
	Received() <-chan Delivery

	// Done is closed when the session has ended; Err then says why.
	Done() <-chan struct{}
	Err() error

	// Info is what the broker said when it accepted the connection.
	Info() Info

	// Close ends the session in an orderly way (MQTT: DISCONNECT).
	Close(ctx context.Context) error
}

// Info describes an open session.
type Info struct {
	Broker      string // address, without credentials
	MaxInFlight int    // publishes that the broker takes without having confirmed; at least 1
	MaxPacket   int    // bytes of the largest packet that may be sent; 0 = no limit
	MaxPayload  int    // bytes of event data that surely fit into MaxPacket; 0 = no limit
}

// Receipt is the broker's word about one publish.
type Receipt struct {
	// NoSubscribers: taken, but nobody was there to get it (MQTT reason 0x10).
	NoSubscribers bool
}

// Delivery is one message that has arrived. Exactly one of Event and Err is
// set. Whatever it is, Ack must be called once it is dealt with: for an event,
// after what it changed is on disk.
type Delivery struct {
	Event *event.Event
	Err   error  // why it cannot be decoded; already free of payloads
	Topic string // where it came from, for logs
	Ack   func()
}

// Errors that the proxy decides on.
var (
	ErrClosed    = errors.New("the session has ended")
	ErrTakenOver = errors.New("another client took over the session: two sidecars use the same client id; give each its own id or mqtt.clientID")
	ErrRefused   = errors.New("the broker refused the connection")
)

// TooLargeError: the event was not sent, because the broker would refuse it.
type TooLargeError struct{ Size, Limit int } // bytes

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the packet has %d bytes and the broker takes %d: make the resource smaller or raise the broker's maximum packet size", e.Size, e.Limit)
}

// RejectedError: the broker answered a publish or a subscription with a
// failure; the connection goes on.
type RejectedError struct {
	Reason  byte   // MQTT 5 reason code, from 0x80
	Message string // what it means, and what to do
}

func (e *RejectedError) Error() string { return fmt.Sprintf("%s (reason 0x%02x)", e.Message, e.Reason) }

// ExpiringRequests is how long a broker keeps a resync request for a peer that
// is away: it would be answered for nothing later (protocol.md, Resync).
const ExpiringRequests = 60 * time.Second
