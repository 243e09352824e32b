package localapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"

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
	Kubernetes       http.Handler          // serves the Kubernetes API; nil = not found
	MaxResourceBytes func() int64          // limits.maxResourceBytes; 0 = no limit of ours
	MaxWatchers      func() int            // limits.maxWatchers; 0 = no limit of ours
	AllowedUIDs      func() []uint32       // api.allowedUIDs; empty = whoever the socket's mode lets in
	Registerer       prometheus.Registerer // of sidecar_api_requests_total and sidecar_watches; nil = not counted
	Log              *slog.Logger
}

// Server is the local API as an http.Handler.
type Server struct {
	options  Options
	backend  Backend
	log      *slog.Logger
	routes   []Route
	requests *prometheus.CounterVec
	watches  prometheus.Gauge
	*shared

	bounds bounds
	remote bool                                               // not the socket
	admit  func(w http.ResponseWriter, r *http.Request) error // nil: everybody
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
	s := &Server{
		options: o, backend: o.Backend, log: o.Log, shared: newShared(), bounds: socketBounds,
		requests: newRequestCounter(o.Registerer), watches: newWatchGauge(o.Registerer),
	}
	s.admit = s.admitPeer
	s.routes = s.table()
	return s
}

// derive is a Server that shares everything but who may call what.
func (s *Server) derive() *Server {
	return &Server{options: s.options, backend: s.backend, log: s.log, requests: s.requests, watches: s.watches, shared: s.shared}
}

// Probes is a Server of the probe calls only (/livez, /readyz, /metrics),
// without a check of who calls: what the plain listener `probes.listen` serves.
func (s *Server) Probes() *Server {
	probes := s.derive()
	probes.bounds = probeBounds
	probes.options.Kubernetes = nil
	probes.routes = slices.DeleteFunc(probes.table(), func(r Route) bool { return !r.probe })
	return probes
}

// ServeHTTP answers one request. A panic of a handler is answered with 500 and
// logged with its stack; the process goes on.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := &recorder{ResponseWriter: w}
	if r.ContentLength != 0 {
		limitReading(rec, bodyTimeout)
	}
	route := &noRoute
	defer func() { s.count(route, rec.code) }()
	defer func() {
		if cause := recover(); cause != nil {
			s.survive(rec, route, cause)
		}
	}()
	if err := s.enter(rec, r); err != nil {
		limitReading(rec, headerTimeout)
		s.fail(rec, r, route, err)
		return
	}
	if ofKubernetes(r.URL.Path) {
		route = &kubernetesRoute
		if err := s.kubernetes(rec, r); err != nil {
			s.fail(rec, r, route, err)
		}
		return
	}
	route, err := s.route(rec, r)
	if route.streams {
		r = withMovingBody(rec, r)
	}
	if err == nil {
		err = s.call(rec, r, route)
	}
	if err != nil {
		if route.streams {
			readRest(r)
		}
		s.fail(rec, r, route, err)
	}
}

// enter refuses requests of connections for which there is no place, and of
// callers who may not call.
func (s *Server) enter(w http.ResponseWriter, r *http.Request) error {
	if c := connectionOf(r.Context()); c != nil && c.over {
		w.Header().Set("Connection", "close")
		return resource.Errorf(resource.Unavailable, "there are %d connections already, and no more are served: close those that are not needed", s.bounds.connections)
	}
	if s.admit == nil {
		return nil
	}
	return s.admit(w, r)
}

// call hands a request to its route once its query is known to be good.
func (s *Server) call(w *recorder, r *http.Request, route *Route) error {
	if route.local && s.remote {
		return resource.Errorf(resource.Forbidden, "this call is for the Unix socket only")
	}
	query, err := parseQuery(r.URL.RawQuery, route.Query)
	if err != nil {
		return err
	}
	if limit := route.limit(query); limit > 0 {
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		r = r.WithContext(ctx)
	}
	return route.handle(w, &request{Request: r, query: query})
}

// fail answers with the error, unless the caller is already being answered. One
// that has gone is counted as such and answered all the same: it may have closed
// its side only, and must not take net/http's empty 200 for an answer. A body
// that came too slowly ends the request's context, too, but nobody has gone.
func (s *Server) fail(w *recorder, r *http.Request, route *Route, err error) {
	e := asError(err)
	if r.Context().Err() != nil && e.Code != resource.Timeout && w.code == 0 {
		w.code = statusCallerGone
		writeProblem(w.ResponseWriter, toCallerGone(e))
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
