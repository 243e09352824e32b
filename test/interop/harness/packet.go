package harness

import (
	"strings"

	"github.com/eclipse/paho.golang/paho"
)

// Property is one MQTT user property.
type Property struct{ Key, Value string }

// Packet is one PUBLISH as the broker has passed it on.
type Packet struct {
	Topic       string
	QoS         byte
	Retain      bool
	ContentType string
	Properties  []Property // in the order in which they came
	Payload     []byte
	Expiring    bool // has a message expiry
	// Other names the properties of MQTT 5 that are set beside those above,
	// and that no peer of the protocol sets.
	Other []string
}

// Attribute is the value of a CloudEvents attribute, named without its prefix.
func (p *Packet) Attribute(name string) string {
	for _, property := range p.Properties {
		if property.Key == "ce-"+name {
			return property.Value
		}
	}
	return ""
}

// Action is the end of the event type: "spec.create_request" and so on.
func (p *Packet) Action() string {
	labels := strings.Split(p.Attribute("type"), ".")
	if len(labels) < 2 {
		return ""
	}
	return strings.Join(labels[len(labels)-2:], ".")
}

func packetOf(m *paho.Publish) Packet {
	p := Packet{Topic: m.Topic, QoS: m.QoS, Retain: m.Retain, Payload: m.Payload}
	if m.Properties == nil {
		return p
	}
	p.ContentType = m.Properties.ContentType
	p.Expiring = m.Properties.MessageExpiry != nil
	for _, property := range m.Properties.User {
		p.Properties = append(p.Properties, Property{property.Key, property.Value})
	}
	p.Other = otherProperties(m.Properties)
	return p
}

func otherProperties(set *paho.PublishProperties) (names []string) {
	for name, present := range map[string]bool{
		"correlation data": len(set.CorrelationData) > 0,
		"payload format":   set.PayloadFormat != nil && *set.PayloadFormat != 0,
		"response topic":   set.ResponseTopic != "",
		"topic alias":      set.TopicAlias != nil,
	} {
		if present {
			names = append(names, name)
		}
	}
	return names
}
