//go:build e2e

package e2e_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
)

const (
	jsonType  = "Content-Type: application/json"
	mergeType = "Content-Type: application/merge-patch+json"
	devicePut = "/v1/resources/" + devices + "/" + clusterName + "/dev-1"
)

// bad is a call that must be refused.
type bad struct {
	name    string
	target  string // after the path of the route
	body    string
	headers []string
	status  int
	code    resource.Code
}

// badEverywhere is refused by every route.
func badEverywhere(route localapi.Route) []bad {
	list := []bad{
		{name: "unknown parameter", target: "?colour=red", status: 400, code: resource.InvalidArgument},
		{name: "query that is not encoded", target: "?a=%zz", status: 400, code: resource.InvalidArgument},
		{name: "path that goes on", target: "/and/on/and/on", status: 404, code: resource.NotFound},
	}
	if len(route.Query) > 0 && route.Query[0] != "exclude" {
		twice := route.Query[0] + "=x"
		list = append(list, bad{name: "parameter twice", target: "?" + twice + "&" + twice, status: 400, code: resource.InvalidArgument})
	}
	return list
}

// takesJSON are the routes with a JSON object as their body.
var takesJSON = []string{
	"PUT /v1/resources/{dataType}/{cluster}/{id}",
	"PUT /v1/resources/{dataType}/{cluster}/{id}/status",
	"POST /v1/queues/{queue}/lease",
	"POST /v1/queues/{queue}/requeue",
	"POST /v1/queues/{queue}/dead/retry",
	"POST /v1/leases/{lease}",
	"POST /v1/resync",
	"POST /v1/synced",
}

// badBodies are refused by every route that takes JSON.
func badBodies() []bad {
	return []bad{
		{name: "broken JSON", body: `{"spec":`, headers: []string{jsonType}, status: 400, code: resource.InvalidArgument},
		{name: "two values", body: `{} {}`, headers: []string{jsonType}, status: 400, code: resource.InvalidArgument},
		{name: "not UTF-8", body: "{\"spec\":\"\xff\"}", headers: []string{jsonType}, status: 400, code: resource.InvalidArgument},
		{name: "not an object", body: `[]`, headers: []string{jsonType}, status: 400, code: resource.InvalidArgument},
		{name: "too deep", body: strings.Repeat("[", 2000) + strings.Repeat("]", 2000), headers: []string{jsonType}, status: 400, code: resource.InvalidArgument},
		{name: "wrong type", body: `<a/>`, headers: []string{"Content-Type: text/xml"}, status: 415, code: resource.UnsupportedMediaType},
		{name: "curl's type, not JSON", body: `a=b`, headers: []string{"Content-Type: application/x-www-form-urlencoded"}, status: 415, code: resource.UnsupportedMediaType},
		{name: "compressed", body: `{}`, headers: []string{jsonType, "Content-Encoding: gzip"}, status: 415, code: resource.UnsupportedMediaType},
		{name: "too large", body: `{"spec":"` + strings.Repeat("x", 5<<20) + `"}`, headers: []string{jsonType}, status: 413, code: resource.TooLarge},
	}
}

// badAtSource and badAtAgent are what is wrong with single routes.
var badAtSource = map[string][]bad{
	"GET /v1/resources": {
		{name: "cursor", target: "?continue=nonsense", status: 410, code: resource.Expired},
		{name: "limit", target: "?limit=-1", status: 400, code: resource.InvalidArgument},
		{name: "state", target: "?state=lost", status: 400, code: resource.InvalidArgument},
		{name: "cluster", target: "?cluster=A", status: 400, code: resource.InvalidArgument},
		{name: "data type", target: "?dataType=x", status: 400, code: resource.InvalidArgument},
		{name: "watch", target: "?watch=maybe", status: 400, code: resource.InvalidArgument},
		{name: "revision", target: "?watch=true&since=x", status: 400, code: resource.InvalidArgument},
		{name: "old revision", target: "?watch=true&since=1", status: 410, code: resource.Expired},
	},
	"DELETE /v1/resources":                        {{name: "all", status: 400, code: resource.InvalidArgument}},
	"GET /v1/resources/{dataType}/{cluster}/{id}": {{name: "source", target: "?source=hub2", status: 404, code: resource.NotFound}},
	"PUT /v1/resources/{dataType}/{cluster}/{id}": {
		{name: "nothing", status: 400, code: resource.InvalidArgument},
		{name: "unknown field", body: `{"specc":1}`, status: 400, code: resource.InvalidArgument},
		{name: "no spec", body: `{}`, status: 400, code: resource.InvalidArgument},
		{name: "field twice", body: `{"spec":1,"spec":2}`, status: 400, code: resource.InvalidArgument},
		{name: "metadata", body: `{"spec":1,"metadata":[]}`, status: 400, code: resource.InvalidArgument},
		{name: "version", body: `{"spec":1,"version":2147483648}`, status: 400, code: resource.InvalidArgument},
		{name: "base64", body: `{"specBase64":"!","contentType":"a/b"}`, status: 400, code: resource.InvalidArgument},
		{name: "another id", body: `{"spec":1,"id":"dev-2"}`, status: 400, code: resource.InvalidArgument},
		{name: "If-Match", body: `{"spec":1}`, headers: []string{`If-Match: "1"`}, status: 412, code: resource.PreconditionFailed},
		{name: "If-Match in words", body: `{"spec":1}`, headers: []string{`If-Match: one`}, status: 400, code: resource.InvalidArgument},
		{name: "If-None-Match", body: `{"spec":1}`, headers: []string{`If-None-Match: *`}, status: 412, code: resource.PreconditionFailed},
		{name: "wait", target: "?wait=forever", body: `{"spec":1}`, status: 400, code: resource.InvalidArgument},
		{name: "timeout", target: "?wait=observed&timeout=1h", body: `{"spec":1}`, status: 400, code: resource.InvalidArgument},
	},
	"PATCH /v1/resources/{dataType}/{cluster}/{id}": {
		{name: "JSON", body: `{"spec":1}`, headers: []string{jsonType}, status: 415, code: resource.UnsupportedMediaType},
		{name: "broken", body: `{`, headers: []string{mergeType}, status: 400, code: resource.InvalidArgument},
		{name: "no spec left", body: `{"spec":null}`, headers: []string{mergeType}, status: 400, code: resource.InvalidArgument},
		{name: "If-Match", body: `{"spec":{"a":1}}`, headers: []string{mergeType, `If-Match: "1"`}, status: 412, code: resource.PreconditionFailed},
	},
	"DELETE /v1/resources/{dataType}/{cluster}/{id}": {
		{name: "If-Match", headers: []string{`If-Match: "1"`}, status: 412, code: resource.PreconditionFailed},
		{name: "force", target: "?force=perhaps", status: 400, code: resource.InvalidArgument},
	},
	"PUT /v1/resources/{dataType}/{cluster}/{id}/status":   {{name: "role", body: `{}`, status: 403, code: resource.Forbidden}},
	"PATCH /v1/resources/{dataType}/{cluster}/{id}/status": {{name: "role", body: `{}`, headers: []string{mergeType}, status: 403, code: resource.Forbidden}},
	"POST /v1/queues/{queue}/lease": {
		{name: "max", body: `{"max":1001}`, status: 400, code: resource.InvalidArgument},
		{name: "wait", body: `{"wait":"61s"}`, status: 400, code: resource.InvalidArgument},
		{name: "leaseFor", body: `{"leaseFor":"1ms"}`, status: 400, code: resource.InvalidArgument},
		{name: "unknown field", body: `{"maximum":1}`, status: 400, code: resource.InvalidArgument},
	},
	"POST /v1/queues/{queue}/requeue": {
		{name: "nothing", body: `{}`, status: 400, code: resource.InvalidArgument},
		{name: "both", body: `{"all":true,"key":{"dataType":"` + devices + `","cluster":"cluster1","id":"x"}}`, status: 400, code: resource.InvalidArgument},
	},
	"POST /v1/leases/{lease}": {
		{name: "no such lease", body: `{}`, status: 404, code: resource.NotFound},
		{name: "result", body: `{"result":"maybe"}`, status: 400, code: resource.InvalidArgument},
		{name: "role", body: `{"status":{}}`, status: 403, code: resource.Forbidden},
	},
	"POST /v1/resync":        {{name: "of an agent", body: `{"source":"hub1"}`, status: 400, code: resource.InvalidArgument}},
	"POST /v1/synced":        {{name: "data type", body: `{"dataType":"x"}`, status: 400, code: resource.InvalidArgument}},
	"GET /readyz":            {{name: "verbose", target: "?verbose=maybe", status: 400, code: resource.InvalidArgument}},
	"GET /readyz/{check}":    {{name: "no such check", target: "-not", status: 404, code: resource.NotFound}},
	"GET /v1/queues/{queue}": {{name: "no such queue", target: "-not", status: 404, code: resource.NotFound}},
}

var badAtAgent = map[string][]bad{
	"PUT /v1/resources/{dataType}/{cluster}/{id}":    {{name: "role", body: `{"spec":1}`, status: 403, code: resource.Forbidden}},
	"PATCH /v1/resources/{dataType}/{cluster}/{id}":  {{name: "role", body: `{"spec":1}`, headers: []string{mergeType}, status: 403, code: resource.Forbidden}},
	"DELETE /v1/resources":                           {{name: "role", target: "?cluster=cluster1&force=true", status: 403, code: resource.Forbidden}},
	"POST /v1/synced":                                {{name: "role", body: `{}`, status: 403, code: resource.Forbidden}},
	"DELETE /v1/resources/{dataType}/{cluster}/{id}": {{name: "not there", status: 404, code: resource.NotFound}},
	"PUT /v1/resources/{dataType}/{cluster}/{id}/status": {
		{name: "not there", body: `{}`, status: 404, code: resource.NotFound},
		{name: "version", target: "?version=x", body: `{}`, status: 400, code: resource.InvalidArgument},
		{name: "wait", target: "?wait=observed", body: `{}`, status: 400, code: resource.InvalidArgument},
	},
}

// TestBadInput: every call of the API, at both roles, over socket and TCP, gets
// what is wrong in every way, and answers with the documented error.
func TestBadInput(t *testing.T) {
	for _, role := range []resource.Role{resource.Source, resource.Agent} {
		t.Run(string(role), func(t *testing.T) {
			t.Parallel()
			addr := freeAddr(t)
			s := newSidecar(t, role, freeAddr(t), settings{"api": settings{"listen": addr}})
			s.start(t)
			socket, tcp := s.raw(t), s.rawTCP(t, addr)
			if role == resource.Source {
				socket.wants(201, "", "PUT", devicePut, `{"spec":{"a":1}}`)
			}
			walked := 0
			for _, route := range localapi.New(localapi.Options{Backend: apitest.New(role)}).Routes() {
				for _, input := range badFor(route, role) {
					t.Run(route.String()+"/"+input.name, func(t *testing.T) {
						for _, r := range []*raw{socket, tcp} {
							r := *r
							r.t = t
							status, code := input.status, input.code
							if route.Pattern == "/v1/shutdown" && r.auth != "" && status != 404 {
								status, code = 403, resource.Forbidden
							}
							r.wants(status, code, route.Method, fillIn(route.Pattern)+input.target, input.body, input.headers...)
						}
					})
					walked++
				}
				wrong := socket.wants(405, resource.MethodNotAllowed, "TRACE", fillIn(route.Pattern), "")
				if !strings.Contains(wrong.header.Get("Allow"), route.Method) {
					t.Errorf("%s: Allow: %q", route.String(), wrong.header.Get("Allow"))
				}
			}
			if walked < 100 {
				t.Errorf("only %d bad calls", walked)
			}
			if got := socket.call("GET", "/v1/status", ""); got.status != 200 {
				t.Errorf("after all that: %d %s", got.status, got.body)
			}
			if total := s.status(t).Resources.Total; role == resource.Source && total != 1 || role == resource.Agent && total != 0 {
				t.Errorf("it holds %d resources: something was taken", total)
			}
		})
	}
}

func badFor(route localapi.Route, role resource.Role) []bad {
	list := badEverywhere(route)
	if slices.Contains(takesJSON, route.String()) && !(role == resource.Agent && route.Method == "PUT" && !strings.HasSuffix(route.Pattern, "/status")) {
		list = append(list, badBodies()...)
	}
	if role == resource.Agent {
		return append(list, badAtAgent[route.String()]...)
	}
	return append(list, badAtSource[route.String()]...)
}

// fillIn puts names into a pattern.
func fillIn(pattern string) string {
	return strings.NewReplacer("{dataType}", devices, "{cluster}", clusterName, "{id}", "dev-1",
		"{queue}", "resources", "{lease}", "none", "{check}", "store").Replace(pattern)
}
