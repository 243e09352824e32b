package mqtt_test

import (
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/transport"
)

const dataType = resource.DataType("com.example.fleet.v1alpha1.devices")

func spec(version int64) *event.Event {
	return &event.Event{
		Source: "hub1", Type: event.Type{DataType: dataType, Sub: event.SubSpec, Action: event.CreateRequest},
		Cluster: "cluster1", ResourceID: "dev-1", ResourceVersion: version,
		Payload: resource.Payload{ContentType: resource.JSONContentType, Data: []byte(`{"wifi":true}`)},
	}
}

func status() *event.Event {
	return &event.Event{
		Source: "agent1", Type: event.Type{DataType: dataType, Sub: event.SubStatus, Action: event.UpdateRequest},
		Cluster: "cluster1", OriginalSource: "hub1", ResourceID: "dev-1", ResourceVersion: 1, SequenceID: "1834773391719010304",
		Payload: resource.Payload{ContentType: resource.JSONContentType, Data: []byte(`{"conditions":[]}`)},
	}
}

func take(t *testing.T, s transport.Session) transport.Delivery {
	t.Helper()
	select {
	case d, ok := <-s.Received():
		if !ok {
			t.Fatalf("the session has ended: %v", s.Err())
		}
		d.Ack()
		return d
	case <-time.After(15 * time.Second):
		t.Fatal("no delivery came")
		panic("unreachable")
	}
}
