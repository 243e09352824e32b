package localapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// The defaults of the limits that Options leaves out (docs/api.md,
// "Configuration").
const (
	DefaultMaxResourceBytes = 1 << 20
	DefaultMaxWatchers      = 1000
)

// Options is what a Server is made of. The functions are called for each
// request, so that a changed configuration is in effect at once.
type Options struct {
	Backend          Backend
	Metrics          http.Handler          // serves GET /metrics; nil = not found
	MaxResourceBytes func() int64          // limits.maxResourceBytes; 0 = no limit of ours
	MaxWatchers      func() int            // limits.maxWatchers; 0 = no limit of ours
	AllowedUIDs      func() []uint32       // api.allowedUIDs; empty = whoever the socket's mode lets in
	Registerer       prometheus.Registerer // of sidecar_api_requests_total; nil = not counted
	Log              *slog.Logger
}

// Server is the local API as an http.Handler.
type Server struct {
	options  Options
	backend  Backend
	log      *slog.Logger
	routes   []Route
	watchers atomic.Int64
	requests *prometheus.CounterVec
}

// New makes a Server; Backend is required, all else has a default.
func New(o Options) *Server {
	if o.MaxResourceBytes == nil {
		o.MaxResourceBytes = func() int64 { return DefaultMaxResourceBytes }
	}
	if o.MaxWatchers == nil {
		o.MaxWatchers = func() int { return DefaultMaxWatchers }
	}
	if o.AllowedUIDs == nil {
		o.AllowedUIDs = func() []uint32 { return nil }
	}
	if o.Metrics == nil {
		o.Metrics = http.HandlerFunc(noMetrics)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: o, backend: o.Backend, log: o.Log, requests: newRequestCounter(o.Registerer)}
	s.routes = s.table()
	return s
}

// Probes is a Server of the probe calls only (/livez, /readyz, /metrics),
// without a check of who calls: what the plain listener `probes.listen` serves.
func (s *Server) Probes() *Server {
	o := s.options
	o.AllowedUIDs = func() []uint32 { return nil }
	probes := &Server{options: o, backend: s.backend, log: s.log, requests: s.requests}
	probes.routes = slices.DeleteFunc(probes.table(), func(r Route) bool { return !r.probe })
	return probes
}

// ServeHTTP answers one request. A panic of a handler is answered with 500 and
// logged with its stack; the process goes on.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := &recorder{ResponseWriter: w}
	if r.ContentLength != 0 {
		limitReading(rec)
	}
	route := &noRoute
	defer func() { s.count(route, rec.code) }()
	defer func() {
		if cause := recover(); cause != nil {
			s.survive(rec, route, cause)
		}
	}()
	if err := s.admit(r); err != nil {
		s.fail(rec, r, route, err)
		return
	}
	route, err := s.route(rec, r)
	if err == nil {
		err = s.call(rec, r, route)
	}
	if err != nil {
		s.fail(rec, r, route, err)
	}
}

// call hands a request to its route once its query is known to be good.
func (s *Server) call(w *recorder, r *http.Request, route *Route) error {
	query, err := parseQuery(r.URL.RawQuery, route.Query)
	if err != nil {
		return err
	}
	return route.handle(w, &request{Request: r, query: query})
}

// fail answers with the error, unless the caller has gone or is already being
// answered. A body that came too slowly ends the request's context as a caller
// who has gone does, but there is somebody to answer.
func (s *Server) fail(w *recorder, r *http.Request, route *Route, err error) {
	e := asError(err)
	if r.Context().Err() != nil && e.Code != resource.Timeout {
		w.code = statusCallerGone
		return
	}
	if e.Code == resource.Internal {
		s.log.Error("local API call failed", "call", route.String(), "error", err)
	}
	if w.code == 0 {
		refuse(w, r, e)
	}
}

// survive ends a request whose handler panicked.
func (s *Server) survive(w *recorder, route *Route, cause any) {
	if cause == http.ErrAbortHandler { // the sentinel is compared as net/http does
		panic(cause)
	}
	s.log.Error("local API call panicked", "call", route.String(), "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
	if w.code != 0 {
		panic(http.ErrAbortHandler) // the peer must see that the answer is cut
	}
	writeProblem(w, resource.Errorf(resource.Internal, "internal error; the sidecar's log says more"))
}
