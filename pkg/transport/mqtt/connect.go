package mqtt

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"github.com/pillion-dev/pillion/pkg/transport"
)

// packetOverhead is what a publish has besides its payload, generously:
// topic and attributes.
const packetOverhead = 1 << 10

// never is a time-out of paho's that the rule of overdue packets makes
// superfluous.
const never = 24 * time.Hour

// open makes the connection and says CONNECT.
func (d *Driver) open(ctx context.Context, broker address) (*session, error) {
	stream, tcp, err := broker.dial(ctx, d.options.TLS)
	if err != nil {
		return nil, err
	}
	s := newSession(d, stream, tcp)
	connack, err := s.client.Connect(ctx, d.connectPacket())
	switch {
	case connack != nil && connack.ReasonCode >= reasonFailure:
		return nil, refused(connack.ReasonCode, connack.Properties.ReasonString)
	case err != nil:
		return nil, connectError(ctx, s.conn, err)
	}
	s.accepted(broker, connack)
	go s.run()
	if connack.Properties.MaximumQoS != nil && *connack.Properties.MaximumQoS == 0 {
		return nil, errors.Join(errors.New("the broker takes QoS 0 only: use another broker"), s.Close(ctx))
	}
	return s, nil
}

// cleanStart tells whether the broker is to forget the session before. It keeps a
// publish of QoS 2 that was never finished, and the place that it takes in the
// receive maximum, and we never go on with one: mosquitto takes no publish any
// more when all places are taken. How an earlier process ended nobody knows.
func (d *Driver) cleanStart() bool {
	return d.options.SessionExpiry == 0 || d.options.PubQoS == 2 && !d.finished.Load()
}

func (d *Driver) connectPacket() *paho.Connect {
	o := d.options
	properties := &paho.ConnectProperties{
		ReceiveMaximum:     paho.Uint16(uint16(o.Buffer)),
		RequestProblemInfo: true,
	}
	if o.SessionExpiry > 0 {
		properties.SessionExpiryInterval = paho.Uint32(uint32(o.SessionExpiry / time.Second))
	}
	if o.MaxPacketBytes > 0 {
		properties.MaximumPacketSize = paho.Uint32(uint32(o.MaxPacketBytes))
	}
	return &paho.Connect{
		ClientID: o.ClientID, CleanStart: d.cleanStart(), KeepAlive: uint16(o.KeepAlive / time.Second),
		UsernameFlag: o.Username != "", Username: o.Username,
		PasswordFlag: o.Password != "", Password: []byte(o.Password),
		Properties: properties,
	}
}

// connectError is why there was no CONNACK.
func connectError(ctx context.Context, c *conn, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errMQTT3), errors.Is(err, errNeedsTLS), errors.Is(err, errNotMQTT), errors.Is(err, errNoAuth):
		return err
	case hungUp(err):
		return fmt.Errorf("%w: it closed the connection without a word: it may want TLS or a client certificate, or not speak MQTT 5", transport.ErrRefused)
	case isAlert(err):
		return fmt.Errorf("%w: it may want another client certificate: %w", transport.ErrRefused, err)
	}
	return fmt.Errorf("wait for CONNACK: %w", err)
}

// accepted takes over what the broker says about itself.
func (s *session) accepted(broker address, connack *paho.Connack) {
	p := connack.Properties
	s.broker, s.resumed = broker, connack.SessionPresent
	s.info = transport.Info{Broker: broker.String(), MaxInFlight: inFlight(connack), MaxPacket: s.driver.options.MaxPacketBytes}
	if p.MaximumPacketSize != nil && (s.info.MaxPacket == 0 || int(*p.MaximumPacketSize) < s.info.MaxPacket) {
		s.info.MaxPacket = int(*p.MaximumPacketSize)
	}
	s.info.MaxPayload = max(s.info.MaxPacket-packetOverhead, s.info.MaxPacket/2)
	if p.MaximumQoS != nil {
		s.qos = min(s.qos, *p.MaximumQoS)
	}
}

// inFlight is how many of our publishes may wait for their confirmation.
func inFlight(connack *paho.Connack) int {
	most := uint16(math.MaxUint16) // MQTT 5, 3.2.2.3.3
	if p := connack.Properties; p != nil && p.ReceiveMaximum != nil {
		most = *p.ReceiveMaximum
	}
	return min(maxInFlight, max(1, int(most)))
}
