package push

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// metrics are told in docs/operations.md, Metrics.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	up       *prometheus.Desc
	status   func() []resource.HandlerStatus
}

func newMetrics(status func() []resource.HandlerStatus) *metrics {
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sidecar_push_requests_total",
			Help: "Calls of apps by handler and HTTP status, or unreachable, timeout, broken.",
		}, []string{"handler", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "sidecar_push_duration_seconds",
			Help:    "How long calls of apps took.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9), // 1 ms to 65 s
		}, []string{"handler"}),
		up: prometheus.NewDesc("sidecar_push_up",
			"1 while the handler's app can be called, as far as the last call or probe has shown.", []string{"handler"}, nil),
		status: status,
	}
}

func (m *metrics) register(to prometheus.Registerer) error {
	if to == nil {
		return nil
	}
	return to.Register(m)
}

// Describe is prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	m.requests.Describe(ch)
	m.duration.Describe(ch)
	ch <- m.up
}

// Collect is prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.requests.Collect(ch)
	m.duration.Collect(ch)
	for _, h := range m.status() {
		up := 0.0
		if h.Up {
			up = 1
		}
		ch <- prometheus.MustNewConstMetric(m.up, prometheus.GaugeValue, up, h.Name)
	}
}

func (m *metrics) observe(handler, code string, took time.Duration) {
	m.requests.WithLabelValues(handler, code).Inc()
	m.duration.WithLabelValues(handler).Observe(took.Seconds())
}

// forget takes away what is told of a handler.
func (m *metrics) forget(handler string) {
	m.requests.DeletePartialMatch(prometheus.Labels{"handler": handler})
	m.duration.DeleteLabelValues(handler)
}
