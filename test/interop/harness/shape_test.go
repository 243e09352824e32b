package harness_test

import (
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/golden"
)

// TestShapeSeesDifferences: each of these changes makes a packet another one.
func TestShapeSeesDifferences(t *testing.T) {
	changes := map[string]func(*harness.Packet){
		"topic":              func(p *harness.Packet) { p.Topic += "x" },
		"qos":                func(p *harness.Packet) { p.QoS = 0 },
		"retain":             func(p *harness.Packet) { p.Retain = true },
		"content type":       func(p *harness.Packet) { p.ContentType = "text/plain" },
		"attribute missing":  func(p *harness.Packet) { p.Properties = p.Properties[:len(p.Properties)-1] },
		"attribute too many": func(p *harness.Packet) { p.Properties = append(p.Properties, harness.Property{Key: "ce-x"}) },
		"attribute twice":    func(p *harness.Packet) { p.Properties = append(p.Properties, p.Properties[5]) },
		"order":              func(p *harness.Packet) { p.Properties[0], p.Properties[1] = p.Properties[1], p.Properties[0] },
		"not a UUID":         set("ce-id", "1"),
		"not UTC":            set("ce-time", "2026-11-21T19:09:40.618902818+01:00"),
		"not a decimal":      set("ce-sequenceid", "0x10"),
		"another node":       set("ce-sequenceid", "2124218715284185088"),
		"not a hash":         set("ce-statushash", "2FE7"),
		"version":            set("ce-resourceversion", "2"),
		"payload":            func(p *harness.Packet) { p.Payload = []byte(`{"conditions":[]}`) },
		"no payload":         func(p *harness.Packet) { p.Payload = nil },
		"response topic":     func(p *harness.Packet) { p.Other = []string{"response topic"} },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			p := golden.Load(t, "02")
			want := harness.ShapeOf(p)
			change(&p)
			if harness.ShapeOf(p).Diff(want) == "" {
				t.Error("not seen")
			}
		})
	}
}

// TestShapeSeesThrough: what differs by nature does not make another packet.
func TestShapeSeesThrough(t *testing.T) {
	p := golden.Load(t, "02")
	want := harness.ShapeOf(p)
	set("ce-id", "e0d3d96c-9efc-496a-a8d8-af458355f645")(&p)
	set("ce-time", "2026-11-21T20:09:40.6Z")(&p)
	set("ce-sequenceid", "2124218717410693120")(&p)
	last := len(p.Properties) - 1
	p.Properties[5], p.Properties[last] = p.Properties[last], p.Properties[5]
	p.Payload = []byte(" " + string(p.Payload))
	if diff := harness.ShapeOf(p).Diff(want); diff != "" {
		t.Error(diff)
	}
}

func TestShapeSortsRequests(t *testing.T) {
	p := golden.Load(t, "04")
	want := harness.ShapeOf(p)
	a := `{"resourceID":"6f1c1f8e-9d3a-4c1e-8f52-0b8e6a4f0001","resourceVersion":1}`
	b := `{"resourceID":"6f1c1f8e-9d3a-4c1e-8f52-0b8e6a4fdead","resourceVersion":7}`
	p.Payload = []byte(`{"resourceVersions":[` + strings.Join([]string{a, b}, ",") + `]}`)
	if diff := harness.ShapeOf(p).Diff(want); diff != "" {
		t.Error(diff)
	}
}

func TestSameJSON(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{`{"a":1,"b":2}`, `{"b":2, "a":1}`, true},
		{`{"a":9007199254740993}`, `{"a":9007199254740992}`, false},
		{``, ``, false},
		{`{}`, `[]`, false},
	} {
		if got := harness.SameJSON([]byte(test.a), []byte(test.b)); got != test.same {
			t.Errorf("%s and %s: %t", test.a, test.b, got)
		}
	}
}

// set changes one attribute.
func set(name, value string) func(*harness.Packet) {
	return func(p *harness.Packet) {
		for i, property := range p.Properties {
			if property.Key == name {
				p.Properties[i].Value = value
			}
		}
	}
}
