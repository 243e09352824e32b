package proxy

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/transport"
)

// metrics are what Prometheus scrapes: under the OCM SDK's names and labels
// where it has one.
type metrics struct {
	*Proxy
	receivedEvents *prometheus.CounterVec
	sentEvents     *prometheus.CounterVec
	droppedEvents  *prometheus.CounterVec
	specResync     *prometheus.HistogramVec
	statusResync   *prometheus.HistogramVec
	reconnected    *prometheus.CounterVec
	connected      prometheus.Gauge
	connections    int
	peers          peerLabels
	logs           *rate.Limiter // of dropped events, and of those that are held up
	debugLogs      *rate.Limiter // of those with which nothing is wrong
}

// The labels of the SDK differ by role.
var (
	sourceLabels      = []string{"source", "consumer", "type", "subresource", "action"}
	agentReceivedFrom = []string{"source", "type", "subresource", "action"}
	agentSentTo       = []string{"source", "original_source", "type", "subresource", "action"}
	resyncLabels      = []string{"source", "consumer", "type"}
	resyncBuckets     = []float64{0.1, 0.2, 0.5, 1, 2, 10, 30}
)

func newMetrics(p *Proxy) *metrics {
	received, sent := sourceLabels, sourceLabels
	if p.opts.Role == resource.Agent {
		received, sent = agentReceivedFrom, agentSentTo
	}
	return &metrics{
		Proxy:          p,
		receivedEvents: counter("cloudevents_received_total", "CloudEvents received.", received...),
		sentEvents:     counter("cloudevents_sent_total", "CloudEvents that the broker has taken.", sent...),
		droppedEvents:  counter("sidecar_events_dropped_total", "CloudEvents received and not taken, by reason.", "reason"),
		specResync:     histogram("resources_spec_resync_duration_seconds", "Time to answer a spec resync request."),
		statusResync:   histogram("resources_status_resync_duration_seconds", "Time to answer a status resync request."),
		reconnected:    counter("cloudevents_client_reconnected_total", "Reconnects to the broker.", "client_id"),
		connected: prometheus.NewGauge(prometheus.GaugeOpts{Name: "sidecar_connected",
			Help: "1 while connected to the broker and subscribed."}),
		peers:     peerLabels{known: map[[2]string]bool{}},
		logs:      rate.NewLimiter(10, 20),
		debugLogs: rate.NewLimiter(10, 20),
	}
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histogram(name, help string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: resyncBuckets}, resyncLabels)
}

func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	var failed error
	for _, c := range []prometheus.Collector{m.receivedEvents, m.sentEvents, m.droppedEvents, m.specResync, m.statusResync,
		m.reconnected, m.connected, m.work.queue.Collector(), &stateCollector{m.Proxy}} {
		failed = errors.Join(failed, r.Register(c))
	}
	return failed
}

func (m *metrics) received(e *event.Event) {
	t := e.Type
	sender, cluster := m.peers.labels(e.Source, e.Cluster)
	labels := []string{sender, cluster, string(t.DataType), string(t.Sub), actionLabel(t.Action)}
	if m.opts.Role == resource.Agent {
		labels = append(labels[:1], labels[2:]...)
	}
	m.receivedEvents.WithLabelValues(labels...).Inc()
}

func (m *metrics) sent(e *event.Event) {
	to := e.Cluster
	if m.opts.Role == resource.Agent {
		if to = e.OriginalSource; to == "" {
			to = "none"
		}
	}
	_, to = m.peers.labels(m.opts.ID, to)
	m.sentEvents.WithLabelValues(m.opts.ID, to, string(e.Type.DataType), string(e.Type.Sub), string(e.Type.Action)).Inc()
}

// dropped counts an event that was not taken, and logs it if there are not too
// many: as a warning, or for debugging only if nothing is wrong with it.
func (m *metrics) dropped(d transport.Delivery, why string) {
	m.droppedEvents.WithLabelValues(why).Inc()
	level, some := slog.LevelWarn, m.logs
	if why == dropStale || why == dropUnknown || why == dropDataType {
		level, some = slog.LevelDebug, m.debugLogs
	}
	if !m.log.Enabled(context.Background(), level) || !some.Allow() {
		return
	}
	attrs := []any{"reason", why, "topic", d.Topic}
	if d.Err != nil {
		attrs = append(attrs, "error", d.Err)
	}
	if d.Event != nil {
		attrs = append(attrs, "sender", d.Event.Source, "type", d.Event.Type.String(), "resourceID", d.Event.ResourceID)
	}
	m.log.Log(context.Background(), level, "dropped an event", attrs...)
}

func (m *metrics) answered(e *event.Event, took time.Duration) {
	h, source, cluster := m.specResync, m.opts.ID, e.Cluster
	if e.Type.Sub == event.SubStatus {
		h, source, cluster = m.statusResync, e.Source, m.opts.Cluster
	}
	source, cluster = m.peers.labels(source, cluster)
	h.WithLabelValues(source, cluster, string(e.Type.DataType)).Observe(took.Seconds())
}

func (m *metrics) connection(up bool) {
	if !up {
		m.connected.Set(0)
		return
	}
	m.connected.Set(1)
	m.connections++
	if m.connections > 1 {
		m.reconnected.WithLabelValues(m.opts.ID).Inc()
	}
}

// stateCollector reads what is a state and not an event, when scraped.
type stateCollector struct{ *Proxy }

var (
	resourcesDesc = prometheus.NewDesc("sidecar_resources", "Resources held, by state.", []string{"state"}, nil)
	oldestDesc    = prometheus.NewDesc("sidecar_outbox_oldest_seconds", "Age of the oldest change that the broker has not taken.", nil, nil)
)

func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- resourcesDesc
	ch <- oldestDesc
}

func (c *stateCollector) Collect(ch chan<- prometheus.Metric) {
	counts := c.counts()
	for state, n := range map[resource.SyncState]int{
		resource.Pending: counts.Pending, resource.Published: counts.Published,
		resource.Observed: counts.Observed, resource.Deleting: counts.Deleting,
	} {
		ch <- prometheus.MustNewConstMetric(resourcesDesc, prometheus.GaugeValue, float64(n), string(state))
	}
	age := 0.0
	if oldest := c.outbox.oldest(); !oldest.IsZero() {
		age = time.Since(oldest).Seconds()
	}
	ch <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, age)
}
