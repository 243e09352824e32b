package transporttest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
)

const dataType = resource.DataType("com.example.fleet.v1alpha1.devices")

// spec is a new resource of hub.
func spec(cluster string, n int) *event.Event {
	return &event.Event{
		Source: hub.ID, Type: event.Type{DataType: dataType, Sub: event.SubSpec, Action: event.CreateRequest},
		Cluster: cluster, ResourceID: fmt.Sprintf("dev-%d", n), ResourceVersion: int64(n) + 1,
		Payload: resource.Payload{ContentType: resource.JSONContentType, Data: fmt.Appendf(nil, `{"n":%d}`, n)},
	}
}

func deletion() *event.Event {
	e := spec(agent1.Cluster, 7)
	when := time.Date(2026, 2, 3, 4, 5, 6, 789, time.UTC)
	e.Type.Action, e.DeletionTimestamp, e.Payload = event.DeleteRequest, &when, resource.Payload{}
	return e
}

func binarySpec() *event.Event {
	e := spec(agent1.Cluster, 8)
	e.Payload = resource.Payload{ContentType: "application/octet-stream", Data: []byte{0, 0xff, '\n', 0}}
	return e
}

func specWithMetadata() *event.Event {
	e := spec(agent1.Cluster, 9)
	e.Type.Action = event.ResyncResponse
	e.Metadata = `{"name":"w","labels":{"a":"ü"}}`
	e.LogTracing = `{}`
	return e
}

// status is a report of agent1.
func status(n int) *event.Event {
	return &event.Event{
		Source: agent1.ID, Type: event.Type{DataType: dataType, Sub: event.SubStatus, Action: event.UpdateRequest},
		Cluster: agent1.Cluster, OriginalSource: hub.ID,
		ResourceID: fmt.Sprintf("dev-%d", n), ResourceVersion: 3, SequenceID: fmt.Sprint(1000 + n), StatusHash: "ab12",
		Payload: resource.Payload{ContentType: resource.JSONContentType, Data: []byte(`{"conditions":[]}`)},
	}
}

// request is a resync request from one peer to another, or to all.
func request(from Peer, cluster, originalSource string) *event.Event {
	e := &event.Event{
		Source: from.ID, Cluster: cluster, OriginalSource: originalSource,
		Type:    event.Type{DataType: dataType, Sub: event.SubSpec, Action: event.ResyncRequest},
		Payload: resource.Payload{ContentType: resource.JSONContentType, Data: []byte(`{"resourceVersions":[]}`)},
	}
	if from.Role == resource.Source {
		e.Type.Sub = event.SubStatus
	}
	return e
}

// sameEvent compares what was sent with what came.
func sameEvent(t *testing.T, got, want *event.Event) {
	t.Helper()
	if !got.Time.Equal(want.Time) {
		t.Errorf("time is %s, sent was %s", got.Time, want.Time)
	}
	if (got.DeletionTimestamp == nil) != (want.DeletionTimestamp == nil) ||
		got.DeletionTimestamp != nil && !got.DeletionTimestamp.Equal(*want.DeletionTimestamp) {
		t.Errorf("deletion timestamp is %v, sent was %v", got.DeletionTimestamp, want.DeletionTimestamp)
	}
	if got.Payload.ContentType != want.Payload.ContentType || !bytes.Equal(got.Payload.Data, want.Payload.Data) {
		t.Errorf("payload is %+v, sent was %+v", got.Payload, want.Payload)
	}
	if g, w := describe(got), describe(want); g != w {
		t.Errorf("came  %s\nsent  %s", g, w)
	}
}

// describe is all of an event that compares as text.
func describe(e *event.Event) string {
	flat := *e
	flat.Time, flat.DeletionTimestamp, flat.Payload = time.Time{}, nil, resource.Payload{}
	return fmt.Sprintf("%+v", flat)
}
