package mqtt

import (
	"bytes"
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

// ReadPublishes reads packets as a session does, until there is no more, and
// returns the PUBLISH packets among them; limit as in Options.MaxPacketBytes.
func ReadPublishes(wire []byte, limit int) (all []*paho.Publish, err error) {
	err = readFrames(newFrames(bytes.NewReader(wire), limit, func(p *paho.Publish) { all = append(all, p) }, func(*packets.Puback) {}))
	return all, err
}

// ReadPubacks is ReadPublishes for PUBACK packets.
func ReadPubacks(wire []byte) (all []*packets.Puback, err error) {
	err = readFrames(newFrames(bytes.NewReader(wire), 0, func(*paho.Publish) {}, func(p *packets.Puback) { all = append(all, p) }))
	return all, err
}

func readFrames(f *frames) error {
	f.greeted = true
	for {
		if _, err := f.read(make([]byte, 64)); err != nil {
			return err
		}
	}
}

// PacketSize is the computed size of a packet.
func PacketSize(p *packets.Publish) int { return packetSize(p) }
