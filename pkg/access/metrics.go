package access

import "github.com/prometheus/client_golang/prometheus"

// Collector is when the certificate that is shown comes to its end.
func (c *Certificates) Collector() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sidecar_api_certificate_expiry_timestamp_seconds",
		Help: "When the certificate of the TCP listener ends, in seconds since 1970; 0 without one.",
	}, func() float64 {
		if at := c.Expiry(); !at.IsZero() {
			return float64(at.Unix())
		}
		return 0
	})
}
