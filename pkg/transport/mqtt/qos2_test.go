package mqtt_test

import (
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"github.com/pillion-dev/pillion/testbroker"
)

// leaveHalfway is a sidecar that is killed: the broker has got so many publishes
// of QoS 2 from it, and never hears of them again.
func leaveHalfway(t *testing.T, addr, clientID string, count int) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	mustNot(t, err)
	defer conn.Close()
	mustNot(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	connect := (&paho.Connect{
		ClientID: clientID, KeepAlive: 60,
		Properties: &paho.ConnectProperties{SessionExpiryInterval: paho.Uint32(3600), RequestProblemInfo: true},
	}).Packet()
	connect.ProtocolName, connect.ProtocolVersion = "MQTT", 5
	_, err = connect.WriteTo(conn)
	mustNot(t, err)
	for id := range count {
		p := (&paho.Publish{QoS: 2, Topic: "sources/hub1/clusters/cluster1/sourceevents"}).Packet()
		p.PacketID = uint16(id + 1)
		_, err := p.WriteTo(conn)
		mustNot(t, err)
	}
	for received := 0; received < count; {
		p, err := packets.ReadPacket(conn)
		mustNot(t, err)
		if p.Type == packets.PUBREC {
			received++
		}
	}
}

// What was in flight when a connection was lost takes no place for ever.
func TestQoS2GoesOnAfterALostConnection(t *testing.T) {
	onBothBrokers(t, testbroker.Options{}, nil, func(t *testing.T, addr string) {
		o := sourceOptions(addr)
		o.PubQoS, o.SessionExpiry, o.ClientID = 2, time.Hour, "hub1-client"
		leaveHalfway(t, addr, o.ClientID, 20)
		s := open(t, newDriver(t, o))
		for version := range int64(30) {
			_, err := s.Publish(within(t), spec(version+1))
			mustNot(t, err)
		}
	})
}

// With nothing in flight the session goes on, with what came meanwhile.
func TestQoS2ResumesASessionThatWasFinished(t *testing.T) {
	onBothBrokers(t, testbroker.Options{}, nil, func(t *testing.T, addr string) {
		o := sourceOptions(addr)
		o.PubQoS, o.SessionExpiry = 2, time.Hour
		d := newDriver(t, o)
		s := open(t, d)
		_, err := s.Publish(within(t), spec(1))
		mustNot(t, err)
		mustNot(t, s.Close(within(t)))
		agent := open(t, newDriver(t, agentOptions(addr)))
		_, err = agent.Publish(within(t), status())
		mustNot(t, err)
		take(t, dial(t, d)).Ack()
	})
}
