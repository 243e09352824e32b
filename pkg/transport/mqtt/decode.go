package mqtt

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cloudevents/sdk-go/protocol/mqtt_paho/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/eclipse/paho.golang/paho"

	"github.com/pillion-dev/pillion/pkg/event"
)

// prefix of the attributes among the user properties. The CloudEvents
// specification has none, the binding that all peers use writes this one
// (docs/protocol.md, CloudEvent attributes).
const prefix = "ce-"

const specVersion = "specversion"

// structured begins the content type of structured mode.
const structured = "application/cloudevents"

// decode reads an event in binary mode, with or without the prefix, or in
// structured mode. Errors are *event.DecodeError and hold no payload.
func decode(p *paho.Publish) (*event.Event, error) {
	if p.Properties == nil {
		return nil, notAnEvent("it has no properties")
	}
	if strings.HasPrefix(p.Properties.ContentType, structured) {
		return decodeStructured(p)
	}
	p = prefixed(p)
	if version := p.Properties.User.Get(prefix + specVersion); version != "1.0" {
		return nil, notAnEvent(fmt.Sprintf("specversion is %.20q, not 1.0", version))
	}
	ce, err := binding.ToEvent(context.Background(), mqtt_paho.NewMessage(p))
	if err != nil {
		return nil, &event.DecodeError{Reason: event.ReasonAttribute, Err: fmt.Errorf("%.300s", err.Error())}
	}
	return event.FromCloudEvent(ce)
}

// decodeStructured keeps the parser's own error back: it quotes what it reads.
func decodeStructured(p *paho.Publish) (*event.Event, error) {
	message := mqtt_paho.NewMessage(p)
	if message.ReadEncoding() != binding.EncodingStructured {
		return nil, notAnEvent(fmt.Sprintf("content type %.100q is not known", p.Properties.ContentType))
	}
	ce, err := binding.ToEvent(context.Background(), message)
	if err != nil {
		return nil, &event.DecodeError{Reason: event.ReasonPayload, Err: errors.New("the payload is not a CloudEvent in JSON")}
	}
	return event.FromCloudEvent(ce)
}

func notAnEvent(why string) error {
	return &event.DecodeError{Reason: event.ReasonType, Err: errors.New("the message is not a CloudEvent: " + why)}
}

// prefixed adds the prefix to the attributes of a sender that writes none.
func prefixed(p *paho.Publish) *paho.Publish {
	user := p.Properties.User
	if user.Get(prefix+specVersion) != "" || user.Get(specVersion) == "" {
		return p
	}
	copied, properties := *p, *p.Properties
	properties.User = make(paho.UserProperties, 0, len(user))
	for _, property := range user {
		if isAttribute(property.Key) { // others would not be
			properties.User.Add(prefix+property.Key, property.Value)
		}
	}
	copied.Properties = &properties
	return &copied
}

// isAttribute tells whether a name can be one of a CloudEvents attribute.
func isAttribute(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
}
