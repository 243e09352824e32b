package event_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/eclipse/paho.golang/paho"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
)

func newCloudEvent(eventType string, extensions map[string]any) *cloudevents.Event {
	ce := cloudevents.New()
	ce.SetID("1")
	ce.SetSource("hub1")
	ce.SetType(eventType)
	for name, value := range extensions {
		ce.SetExtension(name, value)
	}
	return &ce
}

// Other transports carry integers and timestamps as such.
func TestDecodeTypedAttributes(t *testing.T) {
	deleted := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for name, c := range map[string]struct {
		extensions map[string]any
		version    int64
		deleting   *time.Time
	}{
		"strings":            {map[string]any{"resourceversion": "9223372036854775807", "deletiontimestamp": "2026-01-02T04:04:05.000000006+01:00"}, 1<<63 - 1, &deleted},
		"integer, timestamp": {map[string]any{"resourceversion": int32(7), "deletiontimestamp": types.Timestamp{Time: deleted}}, 7, &deleted},
		"dropped by the SDK": {map[string]any{}, 0, nil},
		"plus sign":          {map[string]any{"resourceversion": "+3"}, 3, nil},
	} {
		c.extensions["resourceid"] = "dev-1"
		e, err := event.FromCloudEvent(newCloudEvent(devices+".spec.update_request", c.extensions))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if e.ResourceVersion != c.version || !reflect.DeepEqual(e.DeletionTimestamp, c.deleting) {
			t.Errorf("%s: version %d, deleting %v", name, e.ResourceVersion, e.DeletionTimestamp)
		}
	}
}

func TestDecodeStructuredMode(t *testing.T) {
	body := `{"specversion":"1.0","id":"1","source":"hub1","type":"` + devices + `.spec.create_request",
		"clustername":"cluster1","originalsource":"","resourceid":"dev-1","resourceversion":3,
		"unknown":"x","datacontenttype":"application/json","data":{"wifi":true}}`
	e := decode(t, &paho.Publish{Payload: []byte(body),
		Properties: &paho.PublishProperties{ContentType: "application/cloudevents+json; charset=utf-8"}})
	if e.ResourceID != "dev-1" || e.ResourceVersion != 3 || e.Cluster != "cluster1" ||
		string(e.Payload.Data) != `{"wifi":true}` || e.Payload.ContentType != "application/json" {
		t.Errorf("%+v", e)
	}
}

// What the decoder refuses, and what it calls the fault.
func TestDecodeErrors(t *testing.T) {
	specType, statusType := devices+".spec.update_request", devices+".status.update_request"
	long := strings.Repeat("a", 64)
	for name, c := range map[string]struct {
		ce        *cloudevents.Event
		reason    string
		mentioned string
	}{
		"nothing":               {nil, event.ReasonType, "no event"},
		"no context":            {&cloudevents.Event{}, event.ReasonType, "no event"},
		"type":                  {newCloudEvent("nonsense", nil), event.ReasonType, "nonsense"},
		"heartbeat":             {newCloudEvent("io.open-cluster-management.cloudevents.heartbeat", nil), event.ReasonType, "heartbeat"},
		"no resource id":        {newCloudEvent(specType, nil), event.ReasonAttribute, "resourceid"},
		"resource id":           {newCloudEvent(specType, map[string]any{"resourceid": "a\nb"}), event.ReasonAttribute, "resourceid"},
		"long resource id":      {newCloudEvent(specType, map[string]any{"resourceid": strings.Repeat("a", 254)}), event.ReasonAttribute, "resourceid"},
		"cluster":               {newCloudEvent(specType, map[string]any{"resourceid": "a", "clustername": "A/b"}), event.ReasonAttribute, "clustername"},
		"long cluster":          {newCloudEvent(specType, map[string]any{"resourceid": "a", "clustername": long}), event.ReasonAttribute, "clustername"},
		"original source":       {newCloudEvent(statusType, map[string]any{"resourceid": "a", "originalsource": "+"}), event.ReasonAttribute, "originalsource"},
		"version word":          {newCloudEvent(specType, map[string]any{"resourceid": "a", "resourceversion": "x"}), event.ReasonAttribute, "resourceversion"},
		"version above int64":   {newCloudEvent(specType, map[string]any{"resourceid": "a", "resourceversion": "9223372036854775808"}), event.ReasonAttribute, "resourceversion"},
		"version below 0":       {newCloudEvent(specType, map[string]any{"resourceid": "a", "resourceversion": int32(-1)}), event.ReasonAttribute, "resourceversion"},
		"deletion time":         {newCloudEvent(specType, map[string]any{"resourceid": "a", "deletiontimestamp": "now"}), event.ReasonAttribute, "deletiontimestamp"},
		"deletion time integer": {newCloudEvent(specType, map[string]any{"resourceid": "a", "deletiontimestamp": int32(5)}), event.ReasonAttribute, "deletiontimestamp"},
		"metadata":              {newCloudEvent(specType, map[string]any{"resourceid": "a", "metadata": "[]"}), event.ReasonAttribute, "metadata"},
		"null metadata":         {newCloudEvent(specType, map[string]any{"resourceid": "a", "metadata": "null"}), event.ReasonAttribute, "metadata"},
		"status hash":           {newCloudEvent(statusType, map[string]any{"resourceid": "a", "statushash": strings.Repeat("a", 257)}), event.ReasonAttribute, "statushash"},
		"not UTF-8":             {newCloudEvent(statusType, map[string]any{"resourceid": "a", "sequenceid": "\xff"}), event.ReasonAttribute, "sequenceid"},
		"source id":             {withSource(newCloudEvent(specType, map[string]any{"resourceid": "a"}), "Hub.1"), event.ReasonAttribute, "source"},
		"no agent id":           {withSource(newCloudEvent(statusType, map[string]any{"resourceid": "a"}), ""), event.ReasonAttribute, "source"},
		"event id":              {withID(newCloudEvent(specType, map[string]any{"resourceid": "a"}), strings.Repeat("a", 257)), event.ReasonAttribute, "id"},
		"content type":          {withData(newCloudEvent(specType, map[string]any{"resourceid": "a"}), strings.Repeat("a", 257)), event.ReasonPayload, "content type"},
	} {
		e, err := event.FromCloudEvent(c.ce)
		var fault *event.DecodeError
		if !errors.As(err, &fault) || fault.Reason != c.reason || !strings.Contains(err.Error(), c.mentioned) ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %+v, %v; want reason %s and %q in the text", name, e, err, c.reason, c.mentioned)
		}
	}
}

func withSource(ce *cloudevents.Event, source string) *cloudevents.Event {
	ce.SetSource(source)
	if source == "" {
		ce.Context = &cloudevents.EventContextV1{Type: ce.Type(), ID: "1", Extensions: ce.Extensions()}
	}
	return ce
}

func withID(ce *cloudevents.Event, id string) *cloudevents.Event {
	ce.SetID(id)
	return ce
}

func withData(ce *cloudevents.Event, contentType string) *cloudevents.Event {
	_ = ce.SetData(contentType, []byte("x"))
	return ce
}

func TestDecodePayload(t *testing.T) {
	for name, c := range map[string]struct {
		contentType string
		data        []byte
		deleting    bool
		want        resource.Payload
	}{
		"JSON":             {"application/json", []byte("{}"), false, resource.Payload{Data: []byte("{}"), ContentType: "application/json"}},
		"other":            {"image/png", []byte{0xff}, false, resource.Payload{Data: []byte{0xff}, ContentType: "image/png"}},
		"no content type":  {"", []byte("{}"), false, resource.Payload{Data: []byte("{}"), ContentType: "application/json"}},
		"none":             {"", nil, false, resource.Payload{}},
		"empty":            {"text/plain", nil, false, resource.Payload{ContentType: "text/plain"}},
		"deleting with it": {"application/json", []byte("{}"), true, resource.Payload{}},
	} {
		ce := newCloudEvent(devices+".spec.update_request", map[string]any{"resourceid": "a"})
		ce.DataEncoded = c.data
		if c.contentType != "" {
			ce.SetDataContentType(c.contentType)
		}
		if c.deleting {
			ce.SetExtension("deletiontimestamp", "2026-01-02T03:04:05Z")
		}
		e, err := event.FromCloudEvent(ce)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !bytes.Equal(e.Payload.Data, c.want.Data) || e.Payload.ContentType != c.want.ContentType {
			t.Errorf("%s: %q of %q", name, e.Payload.Data, e.Payload.ContentType)
		}
	}
}

// An agent id may be longer than a name and have other characters.
func TestDecodeAgentID(t *testing.T) {
	id := strings.Repeat("c", 63) + ".Work-Agent_1"
	ce := withSource(newCloudEvent(devices+".status.update_request", map[string]any{"resourceid": "a"}), id)
	if e, err := event.FromCloudEvent(ce); err != nil || e.Source != id {
		t.Errorf("%+v, %v", e, err)
	}
}

// What decodes can be encoded, and reads the same then.
func FuzzFromCloudEvent(f *testing.F) {
	for _, c := range readCaptures(f) {
		f.Add(c.property("ce-type"), c.property("ce-source"), c.property("ce-clustername"), c.property("ce-originalsource"),
			c.property("ce-resourceid"), c.property("ce-resourceversion"), c.property("ce-deletiontimestamp"),
			c.property("ce-metadata"), c.property("ce-sequenceid"), c.Captured.ContentType, []byte(c.Captured.Payload))
	}
	f.Fuzz(func(t *testing.T, eventType, source, cluster, original, id, version, deletion, metadata, sequence, contentType string, data []byte) {
		ce := newCloudEvent(eventType, map[string]any{"clustername": cluster, "originalsource": original, "resourceid": id,
			"resourceversion": version, "metadata": metadata, "sequenceid": sequence})
		if deletion != "" {
			ce.SetExtension("deletiontimestamp", deletion)
		}
		ce.SetSource(source)
		ce.SetDataContentType(contentType)
		ce.DataEncoded = data
		first, err := event.FromCloudEvent(ce)
		if err != nil {
			var fault *event.DecodeError
			if !errors.As(err, &fault) {
				t.Fatalf("not a DecodeError: %v", err)
			}
			return
		}
		again, err := first.CloudEvent()
		if err != nil {
			t.Fatalf("%+v: %v", first, err)
		}
		second, err := event.FromCloudEvent(again)
		if err != nil {
			t.Fatalf("%+v: %v", first, err)
		}
		if !sameEvent(first, second) {
			t.Errorf("%+v became %+v", first, second)
		}
	})
}

// sameEvent compares what travels: a request has no resource.
func sameEvent(a, b *event.Event) bool {
	x, y := *a, *b
	if !x.Type.OfResource() {
		x.ResourceID, x.ResourceVersion = "", 0
	}
	if len(x.Payload.Data) == 0 && len(y.Payload.Data) == 0 {
		x.Payload.Data, y.Payload.Data = nil, nil
	}
	return reflect.DeepEqual(x, y)
}
