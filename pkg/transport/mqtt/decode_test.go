package mqtt_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/transport/mqtt"
)

// attributes of a valid spec, in the form without prefix.
func attributes() map[string]string {
	return map[string]string{
		"id": "e1", "source": "hub1", "specversion": "1.0", "type": "com.example.fleet.v1alpha1.devices.spec.create_request",
		"time": "2026-11-21T19:09:40.617964435Z", "resourceversion": "7", "clustername": "cluster1", "originalsource": "",
		"resourceid": "dev-1",
	}
}

func binaryMode(prefix string, attributes map[string]string) *paho.Publish {
	p := &paho.Publish{Topic: "t", QoS: 1, Payload: []byte(`{"wifi":true}`), Properties: &paho.PublishProperties{ContentType: "application/json"}}
	for name, value := range attributes {
		p.Properties.User.Add(prefix+name, value)
	}
	return p
}

func structuredMode(t testing.TB, attributes map[string]string) *paho.Publish {
	t.Helper()
	body := map[string]any{"data": map[string]any{"wifi": true}, "datacontenttype": "application/json"}
	for name, value := range attributes {
		body[name] = value
	}
	payload, err := json.Marshal(body)
	mustNot(t, err)
	return &paho.Publish{Topic: "t", Payload: payload, Properties: &paho.PublishProperties{ContentType: "application/cloudevents+json; charset=utf-8"}}
}

func TestDecode(t *testing.T) {
	mixed := binaryMode("", attributes())
	mixed.Properties.User.Add("Trace-ID", "not an attribute")
	for name, p := range map[string]*paho.Publish{
		"with prefix":           binaryMode("ce-", attributes()),
		"without prefix":        binaryMode("", attributes()),
		"other user properties": mixed,
		"structured":            structuredMode(t, attributes()),
	} {
		e, err := mqtt.Decode(p)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if e.ID != "e1" || e.Source != "hub1" || e.ResourceID != "dev-1" || e.ResourceVersion != 7 || e.Cluster != "cluster1" ||
			string(e.Payload.Data) != `{"wifi":true}` || e.Payload.ContentType != "application/json" || e.Time.Nanosecond() != 617964435 {
			t.Errorf("%s: event is %+v", name, e)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	const secret = "hush-hush"
	without := func(name string) map[string]string {
		a := attributes()
		delete(a, name)
		return a
	}
	with := func(name, value string) map[string]string {
		a := attributes()
		a[name] = value
		return a
	}
	for name, p := range map[string]*paho.Publish{
		"no properties":     {Payload: []byte(secret)},
		"no attributes":     binaryMode("ce-", nil),
		"no type":           binaryMode("ce-", without("type")),
		"no resource id":    binaryMode("ce-", without("resourceid")),
		"old specversion":   binaryMode("ce-", with("specversion", "0.3")),
		"bad time":          binaryMode("ce-", with("time", "yesterday")),
		"bad version":       binaryMode("", with("resourceversion", "many")),
		"structured batch":  {Payload: []byte(`[{"a":"` + secret + `"}]`), Properties: &paho.PublishProperties{ContentType: "application/cloudevents-batch+json"}},
		"structured, cut":   {Payload: []byte(`{"data":{"password":"` + secret + ``), Properties: &paho.PublishProperties{ContentType: "application/cloudevents+json"}},
		"structured, other": {Payload: []byte(secret), Properties: &paho.PublishProperties{ContentType: "application/cloudevents+avro"}},
	} {
		e, err := mqtt.Decode(p)
		var decodeError *event.DecodeError
		if !errors.As(err, &decodeError) || e != nil {
			t.Errorf("%s: event %v, error %v", name, e, err)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: error %q holds the payload", name, err)
		}
	}
}

// FuzzDecode changes an attribute, the content type and the payload of an event.
func FuzzDecode(f *testing.F) {
	f.Add("ce-", "time", "yesterday", "application/json", []byte(`{}`))
	f.Add("", "deletiontimestamp", "2026-11-21T19:09:40Z", "", []byte(nil))
	f.Add("", "x", "", "application/cloudevents+json", structuredMode(f, attributes()).Payload)
	f.Add("", "x", "", "application/cloudevents+json", []byte(`{"specversion":"1.0","id":"1","type":"a.b.c.d.spec.x","source":"s","data_base64":"e30="}`))
	f.Add("", "x", "", "application/cloudevents-batch+json", []byte(`[{}]`))
	f.Fuzz(func(t *testing.T, prefix, name, value, contentType string, payload []byte) {
		changed := attributes()
		changed[name] = value
		p := binaryMode(prefix, changed)
		p.Payload, p.Properties.ContentType = payload, contentType
		e, err := mqtt.Decode(p)
		if (e == nil) == (err == nil) {
			t.Fatalf("event %v, error %v", e, err)
		}
		if err != nil && len(err.Error()) > 4096 {
			t.Fatalf("error has %d bytes", len(err.Error()))
		}
	})
}

// FuzzParse: a PUBLISH that we read, paho reads the same way.
func FuzzParse(f *testing.F) {
	p := binaryMode("ce-", attributes())
	p.PacketID = 1
	p.Properties.PayloadFormat, p.Properties.MessageExpiry, p.Properties.SubscriptionIdentifier = paho.Byte(1), paho.Uint32(9), new(int)
	p.Properties.CorrelationData, p.Properties.ResponseTopic = []byte("c"), "r"
	var wire bytes.Buffer
	_, err := p.Packet().WriteTo(&wire)
	mustNot(f, err)
	f.Add(wire.Bytes())
	f.Add([]byte("\x30\x04\x00\x01t\x00"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		publishes, _ := mqtt.ReadPublishes(wire, 1<<16)
		if len(publishes) == 0 || wire[0]>>4 != packets.PUBLISH {
			return
		}
		packet, err := packets.ReadPacket(bytes.NewReader(wire))
		if err != nil {
			t.Fatalf("paho does not read it: %v", err)
		}
		want := paho.PublishFromPacketPublish(packet.Content.(*packets.Publish))
		got := publishes[0]
		if got.Topic != want.Topic || got.QoS != want.QoS || got.Retain != want.Retain || got.PacketID != want.PacketID ||
			!bytes.Equal(got.Payload, want.Payload) || got.Properties.ContentType != want.Properties.ContentType ||
			!slices.Equal(got.Properties.User, want.Properties.User) ||
			(got.Properties.MessageExpiry == nil) != (want.Properties.MessageExpiry == nil) {
			t.Errorf("read %+v %+v\npaho %+v %+v", got, got.Properties, want, want.Properties)
		}
	})
}

func TestReadLimits(t *testing.T) {
	p := binaryMode("ce-", attributes())
	p.PacketID, p.Payload = 1, make([]byte, 3<<20) // more than gets its memory at once
	var wire bytes.Buffer
	_, err := p.Packet().WriteTo(&wire)
	mustNot(t, err)
	publishes, err := mqtt.ReadPublishes(wire.Bytes(), 0)
	if len(publishes) != 1 || len(publishes[0].Payload) != len(p.Payload) || !errors.Is(err, io.EOF) {
		t.Errorf("%d packets came, error %v", len(publishes), err)
	}
	if _, err := mqtt.ReadPublishes(wire.Bytes(), wire.Len()-1); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("error is %v", err)
	}
	if publishes, err := mqtt.ReadPublishes(wire.Bytes()[:wire.Len()-1], wire.Len()); len(publishes) != 0 || err == nil {
		t.Errorf("a packet that is cut gives %d, error %v", len(publishes), err)
	}
}

// The computed size is what paho writes.
func FuzzPacketSize(f *testing.F) {
	f.Add("a/b", "application/json", "ce-id", "x", 3, uint32(60))
	f.Add("", "", "", "", 0, uint32(0))
	f.Add("t", "c", "k", strings.Repeat("v", 20000), 3000000, uint32(1))
	f.Fuzz(func(t *testing.T, topic, contentType, key, value string, payload int, expiry uint32) {
		if payload < 0 || payload > 4<<20 || max(len(topic), len(contentType), len(key), len(value)) > 65535 {
			return
		}
		p := paho.Publish{Topic: topic, QoS: 1, Payload: make([]byte, payload), Properties: &paho.PublishProperties{ContentType: contentType}}
		p.Properties.User.Add(key, value).Add(value, key)
		if expiry > 0 {
			p.Properties.MessageExpiry = &expiry
		}
		var wire bytes.Buffer
		_, err := p.Packet().WriteTo(&wire)
		mustNot(t, err)
		if got := mqtt.PacketSize(p.Packet()); got != wire.Len() {
			t.Errorf("computed are %d bytes, written %d", got, wire.Len())
		}
	})
}
