package push_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// awkward is an id whose subject must be encoded (CloudEvents HTTP binding
// 1.0, 3.1.3.2). The Go SDK leaves it to its user to decode it.
const awkward, awkwardSubject = "a b/\"%ü", "a%20b/%22%25%C3%BC"

// eventsOf hands resources out to a receiver that reads them with the Go SDK.
func eventsOf(t *testing.T, resources ...resource.Resource) []*event.Event {
	t.Helper()
	events := make(chan *event.Event, len(resources))
	a := startedApp(t, func(w http.ResponseWriter, r *http.Request) {
		e, err := cehttp.NewEventFromHTTPRequest(r)
		if err == nil {
			err = e.Validate()
		}
		if err != nil {
			t.Error(err)
			w.WriteHeader(400)
			return
		}
		events <- e
		_, _ = io.WriteString(w, "{}")
	})
	h := a.takes("one")
	h.CloudEvents, h.Concurrency = true, 1
	w := newWorld(t, h)
	for _, r := range resources {
		w.queue.Receive(r)
	}
	w.waitAnswers(len(resources))
	close(events)
	var all []*event.Event
	for e := range events {
		all = append(all, e)
	}
	return all
}

func TestItemIsACloudEvent(t *testing.T) {
	key := resource.Key{DataType: devices, Source: "hub1", Cluster: "cluster1", ID: awkward}
	deleted := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	other := key
	other.ID = "dev-2"
	events := eventsOf(t, resource.Resource{Key: key, Version: 7}, resource.Resource{Key: other, Version: 8, DeletionTimestamp: &deleted})
	e := events[0]
	if e.Type() != "dev.pillion.resource.changed" || e.Source() != "/agents/agent1/queues/resources" || e.Subject() != awkwardSubject ||
		e.DataContentType() != "application/json" || time.Since(e.Time()) > patience || e.SpecVersion() != "1.0" {
		t.Errorf("event %s", e)
	}
	want := map[string]any{"datatype": devices, "originalsource": "hub1", "clustername": "cluster1", "attempt": "1", "resourceversion": "7"}
	for name, value := range want {
		if got := e.Extensions()[name]; got != value {
			t.Errorf("%s: %v, want %v", name, got, value)
		}
	}
	if len(e.Extensions()) != len(want) {
		t.Errorf("extensions %v", e.Extensions())
	}
	var item resource.LeaseItem
	if err := e.DataAs(&item); err != nil || item.Key != key || item.Lease != e.ID() {
		t.Errorf("%v: item %+v of event %s", err, item, e.ID())
	}
	d := events[1]
	if d.Type() != "dev.pillion.resource.deleting" || d.Extensions()["deletiontimestamp"] != "2026-01-02T03:04:05.000006Z" || d.ID() == e.ID() {
		t.Errorf("event %s", d)
	}
}
