package config

import "github.com/prometheus/client_golang/prometheus"

// Collectors are the metrics of reloading (docs/api.md, Health and insight),
// each taken from Status when it is read.
func (w *Watcher) Collectors() []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sidecar_config_last_reload_successful",
			Help: "Whether the configuration file is in effect as it is: 1, or 0 after a reload that failed.",
		}, w.successful),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sidecar_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration was last loaded with success, in seconds since 1970.",
		}, w.loadedAt),
	}
}

func (w *Watcher) successful() float64 {
	if w.Status().Error != "" {
		return 0
	}
	return 1
}

func (w *Watcher) loadedAt() float64 {
	return float64(w.Status().LoadedAt.UnixMilli()) / 1000
}
