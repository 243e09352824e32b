package event_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
)

const (
	devices = "com.example.fleet.v1alpha1.devices"
	bundles = "io.open-cluster-management.works.v1alpha1.manifestbundles"
	device1 = "6f1c1f8e-9d3a-4c1e-8f52-0b8e6a4f0001"
	work1   = "79f60f3d-6efa-578e-afaf-16d57e0c5754"
)

// Every packet of the SDK decodes to what its attributes say, and is written
// again with the same attributes, content type and payload.
func TestCapturesSurviveDecodingAndEncoding(t *testing.T) {
	for _, c := range readCaptures(t) {
		t.Run(c.Name, func(t *testing.T) {
			packet := c.publish(t)
			e := decode(t, packet)
			checkAgainstAttributes(t, e, c)
			again := encode(t, e)
			if got, want := properties(again), properties(packet); !slices.Equal(got, want) {
				t.Errorf("user properties:\n got %q\nwant %q", got, want)
			}
			if got, want := again.Properties.ContentType, c.Captured.ContentType; got != want {
				t.Errorf("content type %q, want %q", got, want)
			}
			if got, want := string(again.Payload), c.Captured.Payload; got != want {
				t.Errorf("payload %s, want %s", got, want)
			}
		})
	}
}

// checkAgainstAttributes compares an event with the properties it came in.
func checkAgainstAttributes(t *testing.T, e *event.Event, c capture) {
	t.Helper()
	deleting := ""
	if e.DeletionTimestamp != nil {
		deleting = e.DeletionTimestamp.Format(time.RFC3339Nano)
	}
	version := strconv.FormatInt(e.ResourceVersion, 10)
	if !e.Type.OfResource() {
		version = ""
	}
	for key, got := range map[string]string{
		"ce-id": e.ID, "ce-source": e.Source, "ce-type": e.Type.String(),
		"ce-time": e.Time.Format(time.RFC3339Nano), "ce-clustername": e.Cluster,
		"ce-originalsource": e.OriginalSource, "ce-resourceid": e.ResourceID,
		"ce-resourceversion": version, "ce-sequenceid": e.SequenceID,
		"ce-statushash": e.StatusHash, "ce-metadata": e.Metadata,
		"ce-logtracing": e.LogTracing, "ce-deletiontimestamp": deleting,
	} {
		if want := c.property(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	if got, want := e.Payload.ContentType, c.Captured.ContentType; got != want {
		t.Errorf("content type %q, want %q", got, want)
	}
}

// The fields of a few captures, said by hand.
func TestCapturesDecoded(t *testing.T) {
	for number, want := range map[string]struct {
		dataType   resource.DataType
		sub        event.Sub
		action     event.Action
		id         string
		version    int64
		fromSource bool
		deleting   bool
		payload    bool
	}{
		"01": {devices, event.SubSpec, event.CreateRequest, device1, 1, true, false, true},
		"02": {devices, event.SubStatus, event.UpdateRequest, device1, 1, false, false, true},
		"04": {devices, event.SubSpec, event.ResyncRequest, "", 0, false, false, true},
		"05": {devices, event.SubSpec, event.ResyncResponse, "6f1c1f8e-9d3a-4c1e-8f52-0b8e6a4fdead", 7, true, true, false},
		"08": {devices, event.SubStatus, event.ResyncRequest, "", 0, true, false, true},
		"09": {devices, event.SubStatus, event.ResyncResponse, device1, 1, false, false, true},
		"11": {devices, event.SubSpec, event.DeleteRequest, device1, 2, true, true, false},
		"25": {bundles, event.SubSpec, event.DeleteRequest, work1, 2, true, true, false},
		"26": {bundles, event.SubStatus, event.UpdateRequest, work1, 2, false, false, true},
	} {
		e := decode(t, readCapture(t, number).publish(t))
		if e.Type.DataType != want.dataType || e.Type.Sub != want.sub || e.Type.Action != want.action ||
			e.ResourceID != want.id || e.ResourceVersion != want.version ||
			e.Type.FromSource() != want.fromSource || (e.DeletionTimestamp != nil) != want.deleting ||
			(len(e.Payload.Data) > 0) != want.payload {
			t.Errorf("capture %s: %+v, want %+v", number, e, want)
		}
	}
}

func TestCloudEventFillsIDAndTime(t *testing.T) {
	e := spec("dev-1", 1)
	before := time.Now()
	ce, err := e.CloudEvent()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := uuid.Parse(e.ID); err != nil || ce.ID() != e.ID {
		t.Errorf("id %q, in the event %q: %v", e.ID, ce.ID(), err)
	}
	if e.Time.Before(before) || e.Time.After(time.Now()) || !ce.Time().Equal(e.Time) {
		t.Errorf("time %v, in the event %v, made after %v", e.Time, ce.Time(), before)
	}
	id := e.ID
	if _, err := e.CloudEvent(); err != nil || e.ID != id {
		t.Errorf("id %q became %q: %v", id, e.ID, err)
	}
}

// An empty resync request still carries clustername and originalsource, and
// nothing about a resource.
func TestRequestsCarryNoResource(t *testing.T) {
	e := spec("ignored", 7)
	e.Type.Action, e.Cluster = event.ResyncRequest, ""
	p := encode(t, e)
	want := []string{"ce-clustername=", "ce-id=" + e.ID, "ce-originalsource=", "ce-source=hub1",
		"ce-specversion=1.0", "ce-time=" + e.Time.Format(time.RFC3339Nano), "ce-type=" + devices + ".spec.resync_request"}
	if got := properties(p); !slices.Equal(got, want) {
		t.Errorf("properties %q, want %q", got, want)
	}
}

// A version that needs more than the 32 bits of a CloudEvents integer travels
// as well, as a string.
func TestLargeVersionTravels(t *testing.T) {
	for _, version := range []int64{0, 1, resource.MaxVersion, resource.MaxVersion + 1, 1<<63 - 1} {
		p := encode(t, spec("dev-1", version))
		if got, want := p.Properties.User.Get("ce-resourceversion"), strconv.FormatInt(version, 10); got != want {
			t.Errorf("resourceversion %q, want %q", got, want)
		}
		if got := decode(t, p).ResourceVersion; got != version {
			t.Errorf("resourceversion %d read as %d", version, got)
		}
	}
}

func TestDeletingEventHasNoPayload(t *testing.T) {
	e := spec("dev-1", 1)
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	e.DeletionTimestamp = &now
	p := encode(t, e)
	if len(p.Payload) != 0 || p.Properties.ContentType != "" {
		t.Errorf("payload %q of %q", p.Payload, p.Properties.ContentType)
	}
	if got, want := p.Properties.User.Get("ce-deletiontimestamp"), "2026-01-02T02:04:05.000000006Z"; got != want {
		t.Errorf("deletiontimestamp %q, want %q", got, want)
	}
}

func TestEncodeRefusesWhatNobodyCanRead(t *testing.T) {
	for name, spoil := range map[string]func(*event.Event){
		"no resource id": func(e *event.Event) { e.ResourceID = "" },
		"no sender":      func(e *event.Event) { e.Source = "" },
	} {
		e := spec("dev-1", 1)
		spoil(e)
		if ce, err := e.CloudEvent(); err == nil {
			t.Errorf("%s: encoded as %v", name, ce)
		}
	}
}

func spec(id string, version int64) *event.Event {
	return &event.Event{
		Source: "hub1", Cluster: "cluster1", ResourceID: id, ResourceVersion: version,
		Type:    event.Type{DataType: devices, Sub: event.SubSpec, Action: event.UpdateRequest},
		Payload: resource.Payload{Data: []byte(`{"wifi":true}`), ContentType: resource.JSONContentType},
	}
}
