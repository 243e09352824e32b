package mqtt_test

import (
	"bytes"
	"testing"

	"github.com/eclipse/paho.golang/packets"

	"github.com/pillion-dev/pillion/pkg/transport/mqtt"
)

// puback is the packet that paho writes.
func puback(t testing.TB, p *packets.Puback) []byte {
	t.Helper()
	var wire bytes.Buffer
	_, err := p.WriteTo(&wire)
	mustNot(t, err)
	return wire.Bytes()
}

func TestPubacks(t *testing.T) {
	reason := func(said string) *packets.Properties {
		return &packets.Properties{ReasonString: said, User: []packets.User{{Key: "a", Value: "b"}}}
	}
	var wire []byte
	for _, p := range []*packets.Puback{
		{PacketID: 1, Properties: &packets.Properties{}},
		{PacketID: 2, ReasonCode: packets.PubackNoMatchingSubscribers, Properties: &packets.Properties{}},
		{PacketID: 3, ReasonCode: packets.PubackQuotaExceeded, Properties: reason("too much")},
	} {
		wire = append(wire, puback(t, p)...)
	}
	wire = append(wire, 0x40, 2, 0, 4)       // success, in short
	wire = append(wire, 0x40, 3, 0, 5, 0x10) // a reason, without properties
	wire = append(wire, 0x40, 4, 0, 6, 0, 0) // no properties
	got, _ := mqtt.ReadPubacks(wire)
	want := []struct {
		id     uint16
		reason byte
		said   string
	}{{1, 0, ""}, {2, 0x10, ""}, {3, packets.PubackQuotaExceeded, "too much"}, {4, 0, ""}, {5, 0x10, ""}, {6, 0, ""}}
	if len(got) != len(want) {
		t.Fatalf("read %d packets, expected %d", len(got), len(want))
	}
	for i, p := range got {
		if p.PacketID != want[i].id || p.ReasonCode != want[i].reason || p.Properties.ReasonString != want[i].said {
			t.Errorf("read %+v with %q, expected %+v", p, p.Properties.ReasonString, want[i])
		}
	}
}

func TestMalformedPubacks(t *testing.T) {
	for _, wire := range []string{
		"\x40\x00", "\x40\x01\x00", "\x40\x02\x00\x00", // no id
		"\x40\x04\x00\x01\x00\x05", "\x40\x05\x00\x01\x00\x00\x00", // too little, too much
		"\x40\x07\x00\x01\x00\x03\x1f\x00\x05", "\x40\x05\x00\x01\x00\x01\x01", // a string that is cut, a foreign property
	} {
		got, err := mqtt.ReadPubacks([]byte(wire))
		if len(got) > 0 || err == nil {
			t.Errorf("%q was read as %+v: %v", wire, got, err)
		}
	}
}

// FuzzPuback: a PUBACK that we read, paho reads the same way.
func FuzzPuback(f *testing.F) {
	f.Add([]byte{0x40, 2, 0, 4})
	f.Add(puback(f, &packets.Puback{PacketID: 3, ReasonCode: 0x97, Properties: &packets.Properties{ReasonString: "no"}}))
	f.Fuzz(func(t *testing.T, wire []byte) {
		if len(wire) == 0 || wire[0] != 0x40 {
			return
		}
		got, _ := mqtt.ReadPubacks(wire)
		if len(got) == 0 {
			return
		}
		packet, err := packets.ReadPacket(bytes.NewReader(wire))
		if err != nil {
			return // paho knows more properties that must not come twice, and the like
		}
		if p := packet.Content.(*packets.Puback); p.PacketID != got[0].PacketID || p.ReasonCode != got[0].ReasonCode {
			t.Errorf("%x: read %+v, paho %+v", wire, got[0], p)
		}
	})
}
