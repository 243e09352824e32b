package mqtt

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/cloudevents/sdk-go/protocol/mqtt_paho/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/transport"
)

// Publish is part of the contract, transport.Session.
func (s *session) Publish(ctx context.Context, e *event.Event) (transport.Receipt, error) {
	topic, err := s.driver.topics.of(e)
	if err != nil {
		return transport.Receipt{}, err
	}
	p, err := encode(ctx, e, topic, s.qos)
	if err == nil {
		err = s.fits(p)
	}
	if err != nil {
		return transport.Receipt{}, fmt.Errorf("publish to %s: %w", topic, err)
	}
	reason, said, err := s.state.publish(ctx, p)
	switch {
	case err != nil:
		return transport.Receipt{}, fmt.Errorf("publish to %s: %w", topic, err)
	case reason >= reasonFailure:
		return transport.Receipt{}, rejected(topic, reason, said)
	}
	return transport.Receipt{NoSubscribers: reason == reasonNoSubscribers}, nil
}

// encode makes the packet, in binary mode.
func encode(ctx context.Context, e *event.Event, topic string, qos byte) (*packets.Publish, error) {
	ce, err := e.CloudEvent()
	if err != nil {
		return nil, err
	}
	message := paho.Publish{Topic: topic, QoS: qos}
	if err := mqtt_paho.WritePubMessage(ctx, binding.ToMessage(ce), &message); err != nil {
		return nil, fmt.Errorf("encode for MQTT: %w", err)
	}
	if e.Type.Action == event.ResyncRequest {
		message.Properties.MessageExpiry = paho.Uint32(uint32(transport.ExpiringRequests / time.Second))
	}
	return message.Packet(), nil
}

// fits refuses what the broker would break the connection for, and strings
// that paho would cut to what MQTT can carry.
func (s *session) fits(p *packets.Publish) error {
	for _, property := range p.Properties.User {
		if len(property.Value) > math.MaxUint16 {
			return fmt.Errorf("attribute %s is longer than MQTT can carry: %w", property.Key,
				&transport.TooLargeError{Size: len(property.Value), Limit: math.MaxUint16})
		}
	}
	limit := orDefault(s.info.MaxPacket, maxPacketSize)
	if size := packetSize(p); size > limit {
		return &transport.TooLargeError{Size: size, Limit: limit}
	}
	return nil
}

// packetSize is the size in bytes of a PUBLISH packet as paho writes it, with
// the properties that encode sets (MQTT 5, 3.3).
func packetSize(p *packets.Publish) int {
	properties := 0
	if p.Properties.ContentType != "" {
		properties += 3 + len(p.Properties.ContentType)
	}
	if p.Properties.MessageExpiry != nil {
		properties += 5
	}
	for _, property := range p.Properties.User {
		properties += 5 + len(property.Key) + len(property.Value)
	}
	const packetID = 2
	remaining := 2 + len(p.Topic) + packetID + varint(properties) + properties + len(p.Payload)
	return 1 + varint(remaining) + remaining
}

// varint is the size of a variable byte integer (MQTT 5, 1.5.5).
func varint(n int) int {
	size := 1
	for n >>= 7; n > 0; n >>= 7 {
		size++
	}
	return size
}
