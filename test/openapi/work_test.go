package openapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
)

const (
	group  = "/apis/work.open-cluster-management.io/v1"
	works  = group + "/namespaces/cluster1/manifestworks"
	work1  = works + "/w1"
	mergeT = "application/merge-patch+json"
	applyT = "application/apply-patch+yaml"
)

// work makes the calls of the Kubernetes API: a source's app declares a work, an
// agent's reports on it and lets it go.
func work(source, agent *server) {
	declareWork(source)
	agent.until("GET", work1, "", func(got answer) bool { return got.status == http.StatusOK })
	reportWork(agent)
	source.until("GET", work1, "", func(got answer) bool { return strings.Contains(string(got.body), `"Applied"`) })
	source.want(200, "DELETE", work1, "")
	source.want(200, "DELETE", works+"?labelSelector=none%3Dsuch", "")
	agent.until("GET", work1, "", func(got answer) bool { return strings.Contains(string(got.body), `"deletionTimestamp"`) })
	agent.want(200, "PATCH", work1, `{"metadata":{"finalizers":null}}`, "Content-Type", mergeT)
	source.until("GET", work1, "", func(got answer) bool { return got.status == http.StatusNotFound })
	for _, s := range []*server{source, agent} {
		lookAroundWorks(s)
	}
}

func declareWork(s *server) {
	example := s.example("NewManifestWork")
	json1 := []string{"Content-Type", "application/json"}
	s.want(201, "POST", works+"?dryRun=All", example, json1...)
	s.want(201, "POST", works, example, json1...)
	s.want(409, "POST", works, example, json1...)
	s.want(422, "POST", works, strings.ReplaceAll(example, `"kind":"ConfigMap",`, ""), json1...)
	s.want(200, "PATCH", work1, `{"metadata":{"labels":{"field":"north"}}}`, "Content-Type", mergeT)
	s.want(200, "PATCH", work1, `[{"op":"remove","path":"/metadata/labels/field"}]`, "Content-Type", "application/json-patch+json")
	s.want(200, "PUT", work1, string(s.want(200, "GET", work1, "").body), json1...)
	s.want(201, "PATCH", works+"/w2?fieldManager=me", strings.Replace(example, `"w1"`, `"w2"`, 1), "Content-Type", applyT)
	s.want(403, "PATCH", work1+"/status", `{"status":{}}`, "Content-Type", mergeT)
}

func reportWork(s *server) {
	const status = `{"status":{"conditions":[{"type":"Applied","status":"True","reason":"Done","message":"","lastTransitionTime":"2026-11-21T10:00:01Z"}]}}`
	s.want(200, "PATCH", work1+"/status", status, "Content-Type", mergeT)
	got := s.want(200, "GET", work1+"/status", "")
	s.want(200, "PUT", work1+"/status", string(got.body), "Content-Type", "application/json")
	s.want(403, "POST", works, s.example("NewManifestWork"), "Content-Type", "application/json")
}

func lookAroundWorks(s *server) {
	for _, path := range []string{
		group + "/manifestworks", works + "?limit=1&labelSelector=a%3Db", "/api/v1/namespaces", "/api/v1/namespaces/cluster1",
		"/version", "/api", "/api/v1", "/apis", "/apis/work.open-cluster-management.io", group, "/openapi/v2", "/openapi/v3", "/openapi/v3" + group,
	} {
		s.want(200, "GET", path, "")
	}
	s.want(400, "GET", works+"?labelSelector=%3D", "")
	s.want(404, "GET", works+"/none", "")
	s.want(410, "GET", works+"?watch=true&resourceVersion=1", "")
}

// example is one of the document's, as JSON.
func (s *server) example(name string) string {
	s.t.Helper()
	text, err := json.Marshal(s.doc.Components.Examples[name].Value.Value)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}
