package mqtt

import (
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"github.com/pillion-dev/pillion/pkg/event"
)

// WithAckTimeout is o with a shorter rule of overdue packets.
func WithAckTimeout(o Options, d time.Duration) Options {
	o.ackTimeout = d
	return o
}

// Decode reads an event.
func Decode(p *paho.Publish) (*event.Event, error) { return decode(p) }

// PacketSize is the computed size of a packet.
func PacketSize(p *packets.Publish) int { return packetSize(p) }
