package mqtt

import (
	"fmt"
	"time"

	"github.com/pillion-dev/pillion/pkg/transport"
)

// The MQTT 5 reason codes that are told apart (MQTT 5, 2.4).
const (
	reasonNoSubscribers  = 0x10
	reasonFailure        = 0x80 // from here on it is one
	reasonBadVersion     = 0x84
	reasonBadClientID    = 0x85
	reasonBadCredentials = 0x86
	reasonNotAuthorized  = 0x87
	reasonUnavailable    = 0x88
	reasonBusy           = 0x89
	reasonBanned         = 0x8a
	reasonShuttingDown   = 0x8b
	reasonKeepAlive      = 0x8d
	reasonTakenOver      = 0x8e
	reasonBadFilter      = 0x8f
	reasonBadTopic       = 0x90
	reasonReceiveMaximum = 0x93
	reasonTooLarge       = 0x95
	reasonRate           = 0x96
	reasonQuota          = 0x97
	reasonAdministrative = 0x98
	reasonQoS            = 0x9b
	reasonOtherServer    = 0x9c
	reasonMoved          = 0x9d
	reasonNoSharing      = 0x9e
	reasonConnectionRate = 0x9f
	reasonMaximumConnect = 0xa0
	reasonNoWildcards    = 0xa2
)

// refusals are the reasons of a CONNACK, with what to do.
var refusals = map[byte]string{
	reasonBadVersion:     "it does not speak MQTT 5: use another broker or switch MQTT 5 on",
	reasonBadClientID:    "it does not accept the client id: set mqtt.clientID",
	reasonBadCredentials: "user name or password is wrong: check username and password",
	reasonNotAuthorized:  "this client may not connect: check user name and password, and its permissions at the broker",
	reasonUnavailable:    "it is not available at the moment",
	reasonBusy:           "it is busy",
	reasonBanned:         "this client is banned: ask whoever runs the broker",
	reasonTooLarge:       "the CONNECT packet is too large for it",
	reasonQuota:          "a quota is used up: ask whoever runs the broker",
	reasonQoS:            "it does not support the QoS: lower pubQoS and subQoS to 1",
	reasonOtherServer:    "another server is to be used: change brokerHost",
	reasonMoved:          "the server has moved: change brokerHost",
	reasonConnectionRate: "too many connections are made in a short time",
}

// refused is the error for a CONNACK that is a failure.
func refused(reason byte, said string) error {
	return fmt.Errorf("%w: %s%s (reason 0x%02x)", transport.ErrRefused, orDefault(refusals[reason], "no reason is known"), quoted(said), reason)
}

// quoted is the broker's own reason string.
func quoted(said string) string {
	if said == "" {
		return ""
	}
	return fmt.Sprintf(", it says %.200q", said)
}

// farewells are the reasons of a DISCONNECT by the broker.
var farewells = map[byte]string{
	0x00:                 "no reason given",
	reasonNotAuthorized:  "this client is no longer allowed",
	reasonBusy:           "it is busy",
	reasonShuttingDown:   "it is shutting down",
	reasonKeepAlive:      "it has not heard from us for the keep-alive time",
	reasonBadTopic:       "it does not accept a topic",
	reasonReceiveMaximum: "too many publishes were in flight",
	reasonTooLarge:       "a packet was too large for it",
	reasonRate:           "too many messages in a short time",
	reasonQuota:          "a quota is used up",
	reasonAdministrative: "by an administrative action",
	reasonOtherServer:    "another server is to be used: change brokerHost",
	reasonMoved:          "the server has moved: change brokerHost",
	reasonConnectionRate: "too many connections were made in a short time",
	reasonMaximumConnect: "the longest time of a connection has passed",
}

// disconnected is the error for a DISCONNECT by the broker.
func disconnected(reason byte, said string) error {
	if reason == reasonTakenOver {
		return takenOver{}
	}
	err := fmt.Errorf("the broker ended the session: %s%s (reason 0x%02x)", orDefault(farewells[reason], "no reason is known"), quoted(said), reason)
	if reason == reasonOtherServer || reason == reasonMoved {
		return goElsewhere{err}
	}
	return err
}

// goElsewhere is the end of a session whose broker sends us to another one.
type goElsewhere struct{ error }

// takenOver is ErrTakenOver with how long to wait: two clients with one id
// would otherwise throw each other out in turn.
type takenOver struct{}

// Error is what to do.
func (takenOver) Error() string { return transport.ErrTakenOver.Error() }

// Unwrap is transport.ErrTakenOver.
func (takenOver) Unwrap() error { return transport.ErrTakenOver }

// Delay is how long to wait before connecting again (docs/architecture.md,
// Session).
func (takenOver) Delay() (shortest, longest time.Duration) { return 30 * time.Second, 5 * time.Minute }

// rejections are the reasons of a PUBACK or PUBREC.
var rejections = map[byte]string{
	reasonNotAuthorized: "the broker does not allow it: give this client the permission to publish there",
	reasonBadTopic:      "the broker does not accept the topic: check mqtt.topics",
	reasonTooLarge:      "the packet is too large for the broker",
	reasonRate:          "the broker does not take so many messages in a short time",
	reasonQuota:         "a quota of the broker is used up",
}

// rejected is the error for a publish that the broker refused.
func rejected(topic string, reason byte, said string) error {
	why := orDefault(rejections[reason], "the broker does not take it")
	return &transport.RejectedError{Reason: reason, Message: fmt.Sprintf("publish to %s: %s%s", topic, why, quoted(said))}
}

// denials are the reasons of a SUBACK or UNSUBACK.
var denials = map[byte]string{
	reasonNotAuthorized: "the broker does not allow it: give this client the permission to subscribe to it",
	reasonBadFilter:     "the broker does not accept the topic: check mqtt.topics",
	reasonQuota:         "a quota of the broker is used up",
	reasonNoSharing:     "the broker has no shared subscriptions: leave $share out of mqtt.topics",
	reasonNoWildcards:   "the broker has no wildcard subscriptions: use another broker",
}

// denied is the error for a subscription that the broker refused.
func denied(filter string, reason byte, said string) error {
	why := orDefault(denials[reason], "the broker does not grant it")
	return &transport.RejectedError{Reason: reason, Message: fmt.Sprintf("subscribe to %s: %s%s", filter, why, quoted(said))}
}
