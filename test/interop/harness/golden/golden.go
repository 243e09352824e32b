// Package golden holds packets captured from the OCM SDK v1.2.0 running with
// itself: a reference that does not depend on what the tests run.
package golden

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/test/interop/harness"
)

//go:embed testdata/*.json
var files embed.FS

// sequenceID is of node 1. The captures of generic clients were made by a
// codec that sent fixed numbers of other nodes.
const sequenceID = "2124218715284180992"

// Load reads the capture whose file name begins with the number.
func Load(t testing.TB, number string) harness.Packet {
	t.Helper()
	entries, err := files.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), number+"-") {
			continue
		}
		p, err := read(path.Join("testdata", entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	t.Fatalf("no capture %s", number)
	return harness.Packet{}
}

func read(name string) (harness.Packet, error) {
	data, err := files.ReadFile(name)
	if err != nil {
		return harness.Packet{}, err
	}
	var file struct {
		Captured struct {
			Topic          string             `json:"topic"`
			QoS            byte               `json:"qos"`
			Retain         bool               `json:"retain"`
			ContentType    string             `json:"content_type"`
			UserProperties []harness.Property `json:"user_properties"`
			PayloadText    string             `json:"payload_text"`
		} `json:"captured"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return harness.Packet{}, fmt.Errorf("read %s: %w", name, err)
	}
	c := file.Captured
	for i, property := range c.UserProperties {
		if property.Key == "ce-sequenceid" {
			c.UserProperties[i].Value = sequenceID
		}
	}
	return harness.Packet{
		Topic: c.Topic, QoS: c.QoS, Retain: c.Retain, ContentType: c.ContentType,
		Properties: c.UserProperties, Payload: []byte(c.PayloadText),
	}, nil
}
