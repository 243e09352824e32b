package mqtt

import (
	"encoding/binary"
	"errors"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
)

var (
	errMalformed = errors.New("a malformed PUBLISH came")
	errBadPuback = errors.New("a malformed PUBACK came")
)

// parsePublish reads a PUBLISH packet (MQTT 5, 3.3) from the first byte of its
// header and what follows the length. It stands in for paho's reader, which
// takes three times as long, and gives what an event needs: the topic, the
// id, content type, expiry and user properties. Payload shares body.
func parsePublish(first byte, body []byte) (*paho.Publish, error) {
	p := &paho.Publish{QoS: first >> 1 & 3, Retain: first&1 != 0}
	r := reader{rest: body}
	topic := r.bytes(r.uint16())
	if p.QoS > 0 {
		p.PacketID = uint16(r.uint16())
	}
	properties := reader{rest: r.bytes(r.varint())}
	if r.failed || len(topic) == 0 || p.QoS == 3 || (p.QoS > 0 && p.PacketID == 0) {
		return nil, errMalformed
	}
	p.Topic, p.Payload, p.Properties = string(topic), r.rest, &paho.PublishProperties{}
	for len(properties.rest) > 0 && !properties.failed {
		properties.property(p.Properties)
	}
	if properties.failed {
		return nil, errMalformed
	}
	return p, nil
}

// parsePuback reads a PUBACK packet (MQTT 5, 3.4) from what follows the length:
// an id, and if there is more than success to say, a reason and properties.
func parsePuback(body []byte) (*packets.Puback, error) {
	p := &packets.Puback{Properties: noProperties}
	r := reader{rest: body}
	p.PacketID = uint16(r.uint16())
	if len(r.rest) > 0 {
		p.ReasonCode = r.bytes(1)[0]
	}
	if len(r.rest) > 0 {
		properties := reader{rest: r.bytes(r.varint())}
		p.Properties = properties.said()
		r.failed = r.failed || properties.failed
	}
	if r.failed || p.PacketID == 0 || len(r.rest) > 0 {
		return nil, errBadPuback
	}
	return p, nil
}

var noProperties = &packets.Properties{}

// said is the reason string among the properties of an answer.
func (r *reader) said() *packets.Properties {
	said := noProperties
	for len(r.rest) > 0 {
		switch r.bytes(1)[0] {
		case packets.PropReasonString:
			said = &packets.Properties{ReasonString: r.string()}
		case packets.PropUser:
			r.bytes(r.uint16())
			r.bytes(r.uint16())
		default:
			r.rest, r.failed = nil, true
		}
	}
	return said
}

// reader takes fields off the front of bytes; once one is missing, failed is
// set and the fields are empty.
type reader struct {
	rest   []byte
	failed bool
}

// property reads one property of a PUBLISH (MQTT 5, 3.3.2.3).
func (r *reader) property(into *paho.PublishProperties) {
	switch r.bytes(1)[0] {
	case packets.PropUser:
		into.User = append(into.User, paho.UserProperty{Key: r.string(), Value: r.string()})
	case packets.PropContentType:
		into.ContentType = r.string()
	case packets.PropMessageExpiry:
		if seconds := r.bytes(4); !r.failed {
			into.MessageExpiry = paho.Uint32(binary.BigEndian.Uint32(seconds))
		}
	case packets.PropPayloadFormat:
		r.bytes(1)
	case packets.PropResponseTopic, packets.PropCorrelationData:
		r.bytes(r.uint16())
	case packets.PropSubscriptionIdentifier:
		r.varint()
	default: // a topic alias, too: we have not allowed any
		r.failed = true
	}
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.rest, r.failed = nil, true
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) string() string { return string(r.bytes(r.uint16())) }

func (r *reader) uint16() int {
	if b := r.bytes(2); b != nil {
		return int(binary.BigEndian.Uint16(b))
	}
	return 0
}

// varint is a variable byte integer (MQTT 5, 1.5.5).
func (r *reader) varint() int {
	value := 0
	for i := range 4 {
		b := r.bytes(1)
		if b == nil {
			return 0
		}
		value |= int(b[0]&0x7f) << (7 * i)
		if b[0] < 0x80 {
			return value
		}
	}
	r.failed = true
	return 0
}
