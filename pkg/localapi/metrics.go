package localapi

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// statusCallerGone counts calls whose caller went before the answer; it is
// never sent.
const statusCallerGone = 499

// recorder remembers the status that was answered; 0 = none yet.
type recorder struct {
	http.ResponseWriter
	code int
}

// WriteHeader remembers the first final status.
func (w *recorder) WriteHeader(code int) {
	if w.code == 0 && code >= 200 {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write counts as status 200 if none was written.
func (w *recorder) Write(p []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// newRequestCounter is sidecar_api_requests_total.
func newRequestCounter(registerer prometheus.Registerer) *prometheus.CounterVec {
	return registered(registerer, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sidecar_api_requests_total",
		Help: "Calls of the local API by route and HTTP status; 499: the caller went before the answer.",
	}, []string{"route", "code"}))
}

// newWatchGauge is sidecar_watches.
func newWatchGauge(registerer prometheus.Registerer) prometheus.Gauge {
	return registered(registerer, prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "sidecar_watches",
		Help: "Watches of the local API that are open.",
	}))
}

// registered registers a collector, if there is where to; a second Server in
// the process shares the first one's.
func registered[C prometheus.Collector](registerer prometheus.Registerer, c C) C {
	if registerer == nil {
		return c
	}
	var already prometheus.AlreadyRegisteredError
	if err := registerer.Register(c); errors.As(err, &already) {
		if existing, ok := already.ExistingCollector.(C); ok {
			return existing
		}
	}
	return c
}

func (s *Server) count(route *Route, code int) {
	if code == 0 {
		code = http.StatusOK // net/http's own, when nothing was written
	}
	s.requests.WithLabelValues(route.String(), strconv.Itoa(code)).Inc()
}

func (s *Server) metrics(w http.ResponseWriter, r *request) error {
	s.options.Metrics.ServeHTTP(w, r.Request)
	return nil
}

func noMetrics(w http.ResponseWriter, _ *http.Request) {
	writeProblem(w, resource.Errorf(resource.NotFound, "there are no metrics here"))
}
