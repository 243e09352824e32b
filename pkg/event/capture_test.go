package event_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	mqtt "github.com/cloudevents/sdk-go/protocol/mqtt_paho/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"github.com/pillion-dev/pillion/pkg/event"
)

// capture is one publish that an SDK client made.
type capture struct {
	Name     string
	Captured struct {
		Topic       string
		ContentType string                        `json:"content_type"`
		Properties  []struct{ Key, Value string } `json:"user_properties"`
		Payload     string                        `json:"payload_text"`
		Raw         string                        `json:"publish_packet_raw_hex"`
	}
}

// readCaptures reads the single captures and the exchange of v0.15.0.
func readCaptures(t testing.TB) []capture {
	t.Helper()
	names, err := filepath.Glob("testdata/[0-9]*.json")
	if err != nil || len(names) != 20 {
		t.Fatalf("captures: %v, %v", names, err)
	}
	captures := make([]capture, len(names))
	for i, name := range names {
		readJSON(t, name, &captures[i])
	}
	var exchange struct{ Publishes []json.RawMessage }
	readJSON(t, "testdata/v0.15.0-all-publishes.json", &exchange)
	for _, raw := range exchange.Publishes {
		var c capture
		if err := json.Unmarshal(raw, &c.Captured); err != nil {
			t.Fatal(err)
		}
		c.Name = "v0.15.0 " + c.property("ce-type")
		captures = append(captures, c)
	}
	return captures
}

// readCapture reads the capture whose file name begins with number.
func readCapture(t testing.TB, number string) capture {
	t.Helper()
	for _, c := range readCaptures(t) {
		if strings.HasPrefix(c.Name, number+"-") {
			return c
		}
	}
	t.Fatalf("no capture %s", number)
	return capture{}
}

func readJSON(t testing.TB, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func (c capture) property(key string) string {
	for _, p := range c.Captured.Properties {
		if p.Key == key {
			return p.Value
		}
	}
	return ""
}

// publish is the capture as the MQTT library gives it: from the bytes of the
// packet where there are any.
func (c capture) publish(t testing.TB) *paho.Publish {
	t.Helper()
	if c.Captured.Raw == "" {
		properties := &paho.PublishProperties{ContentType: c.Captured.ContentType}
		for _, p := range c.Captured.Properties {
			properties.User.Add(p.Key, p.Value)
		}
		return &paho.Publish{Topic: c.Captured.Topic, Payload: []byte(c.Captured.Payload), Properties: properties}
	}
	raw, err := hex.DecodeString(c.Captured.Raw)
	if err != nil {
		t.Fatal(err)
	}
	packet, err := packets.ReadPacket(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return paho.PublishFromPacketPublish(packet.Content.(*packets.Publish))
}

// decode reads a publish the way the MQTT driver does.
func decode(t testing.TB, p *paho.Publish) *event.Event {
	t.Helper()
	e, err := event.FromCloudEvent(toCloudEvent(t, p))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func toCloudEvent(t testing.TB, p *paho.Publish) *cloudevents.Event {
	t.Helper()
	ce, err := binding.ToEvent(context.Background(), mqtt.NewMessage(p))
	if err != nil {
		t.Fatal(err)
	}
	return ce
}

// encode writes an event the way the MQTT driver does.
func encode(t testing.TB, e *event.Event) *paho.Publish {
	t.Helper()
	ce, err := e.CloudEvent()
	if err != nil {
		t.Fatal(err)
	}
	p := &paho.Publish{}
	if err := mqtt.WritePubMessage(context.Background(), binding.ToMessage(ce), p); err != nil {
		t.Fatal(err)
	}
	return p
}

// properties are the user properties in an order of their own.
func properties(p *paho.Publish) []string {
	var lines []string
	for _, u := range p.Properties.User {
		lines = append(lines, u.Key+"="+u.Value)
	}
	slices.Sort(lines)
	return lines
}
