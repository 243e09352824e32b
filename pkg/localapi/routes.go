package localapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Route is one call of the API.
type Route struct {
	Method  string
	Pattern string   // a segment in braces is a path value
	Query   []string // the parameters that the call takes; any other is refused

	probe    bool // also served by Probes
	streams  bool // its body may be endless, and is read to its end before any answer
	local    bool // not served by Guarded
	waits    bool // by nature: it has no limit of time but its own
	handle   handler
	segments []string
}

type handler func(w http.ResponseWriter, r *request) error

// noRoute stands for requests that no route fits.
var noRoute = Route{Pattern: "none"}

// String is "METHOD pattern".
func (r *Route) String() string { return strings.TrimSpace(r.Method + " " + r.Pattern) }

// Routes is every call that the server answers; HEAD works wherever GET does.
func (s *Server) Routes() []Route { return slices.Clone(s.routes) }

// table is the one list of all calls (docs/api.md, "Local API").
func (s *Server) table() []Route {
	const (
		one    = "/v1/resources/{dataType}/{cluster}/{id}"
		status = one + "/status"
		queue  = "/v1/queues/{queue}"
	)
	list := []string{"dataType", "cluster", "source", "state", "limit", "continue", "watch", "since"}
	write := []string{"source", "wait", "timeout"}
	check := []string{"exclude", "verbose"}
	routes := []Route{
		{Method: "GET", Pattern: "/v1/resources", Query: list, handle: s.listOrWatch, waits: true},
		{Method: "POST", Pattern: "/v1/resources/apply", Query: []string{"prune", "dataType", "cluster"}, handle: s.apply, streams: true, waits: true},
		{Method: "DELETE", Pattern: "/v1/resources", Query: []string{"cluster", "force"}, handle: s.deleteCluster},
		{Method: "GET", Pattern: one, Query: []string{"source"}, handle: s.getResource},
		{Method: "PUT", Pattern: one, Query: write, handle: s.putResource},
		{Method: "PATCH", Pattern: one, Query: write, handle: s.patchResource},
		{Method: "DELETE", Pattern: one, Query: append([]string{"force"}, write...), handle: s.deleteResource},
		{Method: "PUT", Pattern: status, Query: append([]string{"version"}, write...), handle: s.putStatus},
		{Method: "PATCH", Pattern: status, Query: append([]string{"version"}, write...), handle: s.patchStatus},

		{Method: "GET", Pattern: "/v1/queues", handle: s.listQueues},
		{Method: "GET", Pattern: queue, handle: s.getQueue},
		{Method: "POST", Pattern: queue + "/lease", handle: s.lease, waits: true},
		{Method: "POST", Pattern: queue + "/requeue", handle: s.requeue},
		{Method: "GET", Pattern: queue + "/dead", handle: s.listDead},
		{Method: "POST", Pattern: queue + "/dead/retry", handle: s.retryDead},
		{Method: "POST", Pattern: queue + "/dead/drop", handle: s.dropDead},
		{Method: "POST", Pattern: "/v1/leases/{lease}", handle: s.answerLease},

		{Method: "POST", Pattern: "/v1/resync", handle: s.resync},
		{Method: "POST", Pattern: "/v1/synced", handle: s.synced},
		{Method: "GET", Pattern: "/v1/status", handle: s.status},
		{Method: "POST", Pattern: "/v1/shutdown", handle: s.shutdown, local: true},
		{Method: "GET", Pattern: "/v1/backup", handle: s.backup, waits: true},

		{Method: "GET", Pattern: "/livez", Query: check, handle: s.livez, probe: true},
		{Method: "GET", Pattern: "/readyz", Query: check, handle: s.readyz, probe: true},
		{Method: "GET", Pattern: "/readyz/{check}", Query: []string{"verbose"}, handle: s.readyzOne, probe: true},
		{Method: "GET", Pattern: "/metrics", handle: s.metrics, probe: true},

		{Method: "GET", Pattern: "/openapi.yaml", handle: s.openAPIYAML},
		{Method: "GET", Pattern: "/openapi.json", handle: s.openAPIJSON},
	}
	for i := range routes {
		routes[i].segments = strings.Split(routes[i].Pattern, "/")[1:]
	}
	return routes
}

// route finds the route of a request and sets its path values. The path is
// taken apart before it is unescaped, so that %2F in an id is a part of the id.
func (s *Server) route(w http.ResponseWriter, r *http.Request) (*Route, error) {
	segments, err := splitPath(r.URL.EscapedPath())
	if err != nil {
		return &noRoute, err
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var allow []string
	for i := range s.routes {
		route := &s.routes[i]
		if !route.fits(segments) {
			continue
		}
		if route.Method == method {
			route.setValues(r, segments)
			return route, nil
		}
		allow = append(allow, route.allows()...)
	}
	if allow == nil {
		return &noRoute, resource.Errorf(resource.NotFound, "there is no such path; GET /openapi.yaml describes the calls")
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	return &noRoute, resource.Errorf(resource.MethodNotAllowed, "method %.20q is not one of %s", r.Method, strings.Join(allow, ", "))
}

// splitPath is the segments of an escaped path, each unescaped.
func splitPath(escaped string) ([]string, error) {
	segments := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	for i, segment := range segments {
		if !strings.Contains(segment, "%") {
			continue
		}
		plain, err := url.PathUnescape(segment)
		if err != nil {
			return nil, resource.Errorf(resource.InvalidArgument, "the path is not percent-encoded correctly")
		}
		segments[i] = plain
	}
	return segments, nil
}

func (r *Route) fits(segments []string) bool {
	if len(segments) != len(r.segments) {
		return false
	}
	for i, want := range r.segments {
		if want[0] != '{' && want != segments[i] {
			return false
		}
	}
	return true
}

func (r *Route) setValues(req *http.Request, segments []string) {
	for i, name := range r.segments {
		if name[0] == '{' {
			req.SetPathValue(name[1:len(name)-1], segments[i])
		}
	}
}

// requestTime is how long a call may take, besides what it was asked to wait.
const requestTime = time.Minute

// limit is how long a call may take; 0 = it ends by itself.
func (r *Route) limit(query url.Values) time.Duration {
	switch {
	case r.waits:
		return 0
	case query.Has("wait"):
		return requestTime + maxWait // what it waits for has its own limit
	}
	return requestTime
}

func (r *Route) allows() []string {
	if r.Method == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{r.Method}
}
