package proxy

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/transport"
)

// Large events share a commit with few others: what waits may be 256 of the
// largest.
func TestBatchesAreBounded(t *testing.T) {
	for _, test := range []struct {
		events, size int
		want         []int
	}{
		{600, 10, []int{256, 256, 88}},
		{5, 3 << 20, []int{2, 2, 1}},
		{3, 5 << 20, []int{1, 1, 1}},
	} {
		in := make(chan transport.Delivery, test.events)
		for range test.events {
			in <- transport.Delivery{Event: &event.Event{Payload: resource.Payload{Data: make([]byte, test.size)}}}
		}
		for i, want := range test.want {
			if batch, open := collect(t.Context(), in); len(batch) != want || !open {
				t.Errorf("%d of %d bytes: batch %d has %d, want %d", test.events, test.size, i, len(batch), want)
			}
		}
	}
	in := make(chan transport.Delivery, 2) // undecodable ones have no event
	in <- transport.Delivery{}
	in <- transport.Delivery{}
	close(in)
	if batch, open := collect(t.Context(), in); len(batch) != 2 || open {
		t.Errorf("batch has %d, open %v", len(batch), open)
	}
}

// series are the samples of a metric: their labels, and what they count.
func series(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%d metrics, %v", len(families), err)
	}
	values := map[string]float64{}
	for _, sample := range families[0].GetMetric() {
		labels := ""
		for _, l := range sample.GetLabel() {
			labels += l.GetValue() + " "
		}
		values[labels] = sample.GetCounter().GetValue()
	}
	return values
}

// Who may publish at the broker cannot make us keep a series for each of its
// inventions.
func TestLabelsAreBounded(t *testing.T) {
	engine(t, func(t *testing.T, s *source, _ func(string) resource.Key) {
		come := func(sender, cluster string, dataType resource.DataType, action event.Action) {
			s.Proxy.screen(transport.Delivery{Event: &event.Event{Source: sender, Cluster: cluster, ResourceID: "1", Time: time.Now(),
				Type:    event.Type{DataType: dataType, Sub: event.SubStatus, Action: action},
				Payload: resource.Payload{Data: []byte(`{}`)}}})
		}
		come("agent", "c", "a.v1.b", event.UpdateRequest)
		come("agent", "c", "a.v1.b", "invented")
		come("agent", "c", "a.v1.b", "invented_too")
		come("agent", "c", "foreign.v1.type", event.UpdateRequest)
		come("agent", "", "a.v1.b", event.UpdateRequest)
		for i := range mostPeers + 10 {
			come(fmt.Sprint("agent", i), "c", "a.v1.b", event.UpdateRequest)
		}
		got := series(t, s.metrics.receivedEvents)
		if len(got) != 2+mostPeers-1+1 { // both of agent, the first peers, the others as one
			t.Errorf("%d series", len(got))
		}
		for labels, want := range map[string]float64{
			"update_request c agent status a.v1.b ":     1,
			"other c agent status a.v1.b ":              2,
			"update_request other other status a.v1.b ": 11,
		} {
			if got[labels] != want {
				t.Errorf("%s is %v, want %v", labels, got[labels], want)
			}
		}
	})
}
