package queue

import "github.com/prometheus/client_golang/prometheus"

// metrics is what the queue counts and measures as it goes.
type metrics struct {
	name           string
	adds, retries  uint64
	queued, worked prometheus.Histogram // seconds from ready to hand-out, and from there to the answer
}

func newMetrics(name string) metrics {
	return metrics{
		name:   name,
		queued: newHistogram(name, "queue_duration_seconds", "How long a key was ready before it was handed out."),
		worked: newHistogram(name, "work_duration_seconds", "How long a key was leased before it was answered or lapsed."),
	}
}

// newHistogram has the buckets of Kubernetes controllers: 10 ns to 1000 s, by
// factors of 10.
func newHistogram(queue, name, help string) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Subsystem:   subsystem,
		Name:        name,
		Help:        help,
		ConstLabels: prometheus.Labels{"name": queue},
		Buckets:     prometheus.ExponentialBuckets(10e-9, 10, 12),
	})
}

const subsystem = "workqueue"

// reading is a metric that is read from Stats when it is asked for.
type reading struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(Stats) float64
}

func readings(queue string) []reading {
	one := func(name, help string, kind prometheus.ValueType, of func(Stats) float64) reading {
		full := prometheus.BuildFQName("", subsystem, name)
		return reading{prometheus.NewDesc(full, help, nil, prometheus.Labels{"name": queue}), kind, of}
	}
	return []reading{
		one("depth", "Keys that are ready.", prometheus.GaugeValue,
			func(s Stats) float64 { return float64(s.Depth) }),
		one("adds_total", "Times that a key became ready.", prometheus.CounterValue,
			func(s Stats) float64 { return float64(s.Adds) }),
		one("retries_total", "Failures, and leases that lapsed.", prometheus.CounterValue,
			func(s Stats) float64 { return float64(s.Retries) }),
		one("unfinished_work_seconds", "Sum of the ages of the leases that are out.", prometheus.GaugeValue,
			func(s Stats) float64 { return s.Unfinished.Seconds() }),
		one("longest_running_processor_seconds", "Age of the oldest lease that is out.", prometheus.GaugeValue,
			func(s Stats) float64 { return s.LongestRunning.Seconds() }),
	}
}

// collector shows one queue to Prometheus.
type collector struct {
	stats      func() Stats
	readings   []reading
	histograms []prometheus.Histogram
}

// Collector shows the queue under client-go's names, workqueue_*, with the
// label name. Collectors of queues with different names go into one registry.
func (q *Queue[K]) Collector() prometheus.Collector {
	return &collector{
		stats:      q.Stats,
		readings:   readings(q.metrics.name),
		histograms: []prometheus.Histogram{q.metrics.queued, q.metrics.worked},
	}
}

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, r := range c.readings {
		ch <- r.desc
	}
	for _, h := range c.histograms {
		h.Describe(ch)
	}
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	for _, r := range c.readings {
		ch <- prometheus.MustNewConstMetric(r.desc, r.kind, r.of(s))
	}
	for _, h := range c.histograms {
		h.Collect(ch)
	}
}
