package event_test

import (
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/event"
)

func TestParseType(t *testing.T) {
	for s, want := range map[string]event.Type{
		devices + ".spec.create_request":    {DataType: devices, Sub: event.SubSpec, Action: event.CreateRequest},
		bundles + ".status.resync_response": {DataType: bundles, Sub: event.SubStatus, Action: event.ResyncResponse},
		"g.v1.r.spec.frobnicate":            {DataType: "g.v1.r", Sub: event.SubSpec, Action: "frobnicate"},
		"spec.v1.status.status.spec":        {DataType: "spec.v1.status", Sub: event.SubStatus, Action: "spec"},
	} {
		got, err := event.ParseType(s)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", s, got, err, want)
		}
		if got.String() != s {
			t.Errorf("%s is written as %s", s, got)
		}
	}
}

func TestParseTypeErrors(t *testing.T) {
	for _, s := range []string{
		"", ".", "spec", "spec.create_request", "v1.r.spec.create_request", "g.v1.r.spec.", "g.v1.r.create_request",
		"g.v1.r.specs.create_request", "g.v1.r.Spec.create_request", "G.v1.r.spec.create_request", "g..r.spec.create_request",
		"g.v1.r.spec." + strings.Repeat("a", 64), strings.Repeat("g.", 200) + "v1.r.spec.create_request",
	} {
		if got, err := event.ParseType(s); err == nil {
			t.Errorf("%q: %+v", s, got)
		}
	}
}

// Who sends what (docs/protocol.md, Resync).
func TestTypeFromSource(t *testing.T) {
	for s, want := range map[string]bool{
		"spec.update_request": true, "spec.resync_response": true, "status.resync_request": true,
		"status.update_request": false, "status.resync_response": false, "spec.resync_request": false,
	} {
		eventType, err := event.ParseType(devices + "." + s)
		if err != nil || eventType.FromSource() != want {
			t.Errorf("%s: from a source %v, %v", s, eventType.FromSource(), err)
		}
	}
}

func FuzzParseType(f *testing.F) {
	f.Add(devices + ".spec.create_request")
	f.Add("a.b.c.status.x")
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := event.ParseType(s)
		if err == nil && parsed.String() != s {
			t.Errorf("%q is written as %q", s, parsed)
		}
	})
}
