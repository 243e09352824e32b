package localapi_test

import (
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// fill puts values into a pattern.
func fill(pattern string) string {
	return strings.NewReplacer("{dataType}", devices, "{cluster}", "cluster1", "{id}", "dev-1",
		"{queue}", apitest.Queue, "{lease}", "none", "{check}", "broker").Replace(pattern)
}

func TestEveryRouteAnswers(t *testing.T) {
	a := serve(t, resource.Source)
	for _, route := range localapi.New(localapi.Options{Backend: a.backend}).Routes() {
		t.Run(route.Method+" "+route.Pattern, func(t *testing.T) {
			a := &api{t: t, backend: a.backend, socket: a.socket}
			path := fill(route.Pattern)

			got := a.call(route.Method, path, "")
			if got.status == 405 || got.status >= 500 || got.status == 404 && strings.Contains(got.body, "no such path") {
				t.Errorf("%d: %s", got.status, got.body)
			}
			a.call(route.Method, path+"?colour=red", "").wantProblem(400, resource.InvalidArgument, `\"colour\" is unknown`)
			a.call("TRACE", path, "").wantProblem(405, resource.MethodNotAllowed)
			if len(route.Query) > 0 {
				name := route.Query[0]
				got := a.call(route.Method, path+"?"+name+"=x&"+name+"=y", "")
				if name != "exclude" {
					got.wantProblem(400, resource.InvalidArgument, "2 times")
				}
			}
		})
	}
}

func TestMethodNotAllowedNamesThoseThatAre(t *testing.T) {
	a := serve(t, resource.Source)
	for path, allow := range map[string]string{
		devPath:             "GET, HEAD, PUT, PATCH, DELETE",
		devPath + "/status": "PUT, PATCH",
		"/v1/resources":     "GET, HEAD, DELETE",
		"/v1/shutdown":      "POST",
		"/readyz/broker":    "GET, HEAD",
	} {
		got := a.call("OPTIONS", path, "")
		got.wantProblem(405, resource.MethodNotAllowed)
		if got.header.Get("Allow") != allow {
			t.Errorf("%s: Allow: %q, want %q", path, got.header.Get("Allow"), allow)
		}
	}
}

func TestUnknownPaths(t *testing.T) {
	a := serve(t, resource.Source)
	for _, path := range []string{"/", "/v1", "/v1/", "/v2/status", "/v1/resources/", "/v1/status/", devPath + "/", devPath + "/status/x", "//v1/status", "/openapi"} {
		if got := a.call("GET", path, ""); got.status != 404 && !strings.HasPrefix(path, "/v1/resources/") {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	a.call("GET", "/nowhere", "").wantProblem(404, resource.NotFound, "no such path")
}

func TestHeadAnswersAsGetWithoutABody(t *testing.T) {
	a := serve(t, resource.Source)
	a.call("PUT", devPath, `{"spec":{}}`).want(201)
	get, head := a.call("GET", devPath, ""), a.call("HEAD", devPath, "")
	if head.status != 200 || head.body != "" {
		t.Errorf("HEAD: %d %q", head.status, head.body)
	}
	for _, name := range []string{"Etag", "Content-Length", "Content-Type"} {
		if get.header.Get(name) == "" || get.header.Get(name) != head.header.Get(name) {
			t.Errorf("%s: GET %q, HEAD %q", name, get.header.Get(name), head.header.Get(name))
		}
	}
	if got := a.call("HEAD", "/v1/resources?watch=true", ""); got.status != 200 {
		t.Errorf("HEAD of a watch: %d", got.status)
	}
}

func TestProbesServeNothingElse(t *testing.T) {
	backend := apitest.New(resource.Source)
	probes := localapi.New(localapi.Options{Backend: backend, AllowedUIDs: func() []uint32 { return []uint32{1} }}).Probes()
	var patterns []string
	for _, route := range probes.Routes() {
		patterns = append(patterns, route.Pattern)
	}
	if got := strings.Join(patterns, " "); got != "/livez /readyz /readyz/{check} /metrics" {
		t.Errorf("probes serve %s", got)
	}
}

func TestIDsTravelInOneSegment(t *testing.T) {
	a := serve(t, resource.Source)
	prefix := "/v1/resources/" + devices + "/cluster1/"
	for escaped, id := range map[string]string{
		"a%2Fb":              "a/b",
		"%2Fleading":         "/leading",
		"%E4%B8%96%E7%95%8C": "世界",
		"..%2F..":            "../..",
		"...":                "...",
		"a+b":                "a+b",
		"a%20b":              "a b",
		"%25":                "%",
		"%3Fq=%23":           "?q=#",
		"a:b@c":              "a:b@c",
		"status":             "status",
	} {
		got := a.call("PUT", prefix+escaped, `{"spec":1}`).want(201).resource()
		if got.ID != id {
			t.Errorf("%s: id %q, want %q", escaped, got.ID, id)
		}
		a.call("GET", prefix+escaped, "").want(200)
	}
	for _, escaped := range []string{"%2E", "%2E%2E", ".", "..", "%2F", "%00", "%0A", "%C2%85", "%FF", strings.Repeat("x", 254)} {
		a.call("PUT", prefix+escaped, `{"spec":1}`).wantProblem(400, resource.InvalidArgument)
	}
	a.call("GET", "/v1/resources/devices/cluster1/x", "").wantProblem(400, resource.InvalidArgument, "data type")
	a.call("GET", "/v1/resources/"+devices+"/Cluster/x", "").wantProblem(400, resource.InvalidArgument, "cluster")
	a.call("GET", devPath+"?source=A", "").wantProblem(400, resource.InvalidArgument, "source")
}
