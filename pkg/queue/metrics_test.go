package queue_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pillion-dev/pillion/pkg/queue"
)

// gather reads all metrics of the collectors: by name, of the queue's label.
// A histogram is its number of observations, and its sum under name_sum.
func gather(t *testing.T, label string, collectors ...prometheus.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collectors...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if len(m.GetLabel()) != 1 || m.GetLabel()[0].GetName() != "name" {
				t.Errorf("%s has labels %v", family.GetName(), m.GetLabel())
			}
			if m.GetLabel()[0].GetValue() != label {
				continue
			}
			h := m.GetHistogram()
			got[family.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(h.GetSampleCount())
			if h != nil {
				got[family.GetName()+"_sum"] = h.GetSampleSum()
			}
		}
	}
	return got
}

// busy is a queue with something of everything.
func busy(t *testing.T, q *queue.Queue[string]) {
	for _, key := range []string{"done", "failed", "lapsed", "running", "ready"} {
		q.Add(key)
	}
	pass(2 * time.Second)
	leases := take(t, q, 3)
	q.Claim(leases[0].ID)
	q.Claim(leases[1].ID)
	pass(3 * time.Second)
	q.Done(leases[0].ID)
	q.Retry(leases[1].ID, time.Hour)
	pass(minute - 3*time.Second)
	take(t, q, 2) // running and ready
	pass(10 * time.Second)
	q.Add("ready") // in flight: counts when it is ready
}

func TestStats(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		busy(t, q)
		want := queue.Stats{
			Depth: 1, InFlight: 2, Retrying: 1,
			Oldest: 10 * time.Second, Unfinished: 20 * time.Second, LongestRunning: 10 * time.Second,
			Adds: 6, Retries: 2,
		}
		if got := q.Stats(); got != want {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
		pass(time.Second)
		take(t, q, 1)
		pass(time.Second)
		want = queue.Stats{
			InFlight: 3, Retrying: 1,
			Unfinished: 25 * time.Second, LongestRunning: 12 * time.Second,
			Adds: 6, Retries: 2,
		}
		if got := q.Stats(); got != want {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
	})
}

func TestUnfinishedIsRightInALongLife(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		const year, n = 365 * 24 * time.Hour, 1000
		pass(100 * year)
		for i := range n {
			q.Add(string(rune('a' + i)))
		}
		take(t, q, n)
		pass(time.Second)
		if got := q.Stats().Unfinished; got != n*time.Second {
			t.Errorf("got %v", got)
		}
	})
}

func TestCollector(t *testing.T) {
	story(t, queue.Options{Name: "resources"}, func(t *testing.T, q *queue.Queue[string]) {
		busy(t, q)
		q.SetOptions(queue.Options{Name: "other"}) // the name stays
		other := queue.New[int](queue.Options{Name: "other"})
		got := gather(t, "resources", q.Collector(), other.Collector())
		want := map[string]float64{
			"workqueue_depth":                             1,
			"workqueue_adds_total":                        6,
			"workqueue_retries_total":                     2,
			"workqueue_unfinished_work_seconds":           20,
			"workqueue_longest_running_processor_seconds": 10,
			"workqueue_queue_duration_seconds":            5,
			"workqueue_queue_duration_seconds_sum":        2 + 2 + 2 + 62 + 62,
			"workqueue_work_duration_seconds":             3,
			"workqueue_work_duration_seconds_sum":         3 + 3 + 60,
		}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s is %v, want %v", name, got[name], value)
			}
		}
		if len(got) != len(want) {
			t.Errorf("got %v", got)
		}
	})
}
