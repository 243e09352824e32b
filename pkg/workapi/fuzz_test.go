package workapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// request is the head of a request, as it is on a connection.
func request(method, target string, headers ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: sidecar\r\n" + strings.Join(append(headers, ""), "\r\n")
}

func contentType(kind string) string { return "Content-Type: " + kind }

// attempt is a request to the API of one of the roles.
type attempt struct {
	agent      bool
	head, body string
}

// reads and writes are where fuzzing begins.
func reads() (all []attempt) {
	for _, target := range []string{
		worksPath, inCluster1 + "/w1", inCluster1 + "/w1/status", "/api/v1/namespaces/cluster1", "/version", "/openapi/v3",
		inCluster1 + "?labelSelector=app+in+(demo),x!=y&fieldSelector=metadata.name%3Dw1&limit=1",
		worksPath + "?continue=Z29uZS5hYWFh", worksPath + "?resourceVersion=5&resourceVersionMatch=Exact",
		worksPath + "?watch=true&resourceVersion=0&allowWatchBookmarks=true&timeoutSeconds=1",
		worksPath + "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
	} {
		all = append(all, attempt{false, request("GET", target, "Accept: application/json"), ""},
			attempt{true, request("GET", target, "Accept: application/json;as=Table;v=v1;g=meta.k8s.io"), ""})
	}
	return all
}

func writes() []attempt {
	whole := workJSON("cluster1", "w2", "v1")
	single := strings.Replace(whole, `"labels"`, `"annotations":{"`+manifestwork.DataTypeAnnotation+`":"`+string(manifestwork.Manifests)+`"},"labels"`, 1)
	w1 := inCluster1 + "/w1"
	return []attempt{
		{false, request("POST", inCluster1, contentType(plain)), whole},
		{false, request("POST", inCluster1, contentType(plain)), single},
		{false, request("POST", inCluster1+"?dryRun=All&fieldValidation=Strict", contentType("application/yaml")), whole},
		{false, request("PUT", w1, contentType(plain)), workJSON("cluster1", "w1", "v2")},
		{false, request("PATCH", w1, contentType(merge)), `{"metadata":{"labels":null,"finalizers":[""]}}`},
		{false, request("PATCH", w1, contentType(merge)), `{"spec":{"workload":{"manifests":[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm2"},"data":{"n":1}}]}}}`},
		{false, request("PATCH", w1, contentType("application/strategic-merge-patch+json")), `{"spec":{"$patch":"replace","workload":{"manifests":[]}}}`},
		{false, request("PATCH", w1, contentType("application/json-patch+json")), `[{"op":"remove","path":"/spec/workload/manifests/0"}]`},
		{false, request("PATCH", w1+"?fieldManager=f&force=true", contentType(apply)), `{apiVersion: work.open-cluster-management.io/v1, kind: ManifestWork, spec: {workload: {manifests: [7]}}}`},
		{false, request("DELETE", w1, contentType(plain)), `{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Orphan","preconditions":{"uid":"x"}}`},
		{false, request("DELETE", inCluster1+"?labelSelector=app"), ""},
		{true, request("PATCH", w1+"/status", contentType(merge)), status},
		{true, request("PATCH", w1, contentType(merge)), `{"metadata":{"finalizers":["a/b"]}}`},
		{true, request("PUT", w1+"/status", contentType(plain)), workJSON("cluster1", "w1", "v2")},
		{true, request("PATCH", w1+"/status?fieldManager=f&force=true", contentType(apply)), `{"apiVersion":"work.open-cluster-management.io/v1","kind":"ManifestWork",` + status[1:]},
	}
}

// sides are a source, and an agent, with one work each.
type sides map[bool]*world

func newSides(f *testing.F) sides {
	f.Helper()
	all := sides{false: newWorld(f, resource.Source, f.TempDir()), true: newWorld(f, resource.Agent, f.TempDir())}
	for agent, w := range all {
		w.startOver(f, agent)
	}
	return all
}

// take: whatever comes from an app, the API survives it, and answers what it
// does not take with a Status of 4xx; that leaves no trace, and what it takes is
// a whole work in both views and both forms of a list.
func (s sides) take(t *testing.T, a attempt) {
	t.Helper()
	w := s[a.agent]
	before := w.store.Revision()
	code, answer, ok := w.serve(t, a.head, a.body)
	if !ok {
		return
	}
	checkAnswer(t, code, answer)
	after := w.store.Revision()
	if code >= 400 && code != http.StatusGatewayTimeout && after != before {
		t.Errorf("%d %s left a change", code, answer.Body)
	}
	if after != before {
		w.checkWorks(t)
		w.startOver(t, a.agent)
	}
}

// FuzzRequests changes paths, queries and headers, too.
func FuzzRequests(f *testing.F) {
	for _, a := range append(reads(), writes()...) {
		f.Add(a.agent, a.head, a.body)
	}
	all := newSides(f)
	f.Fuzz(func(t *testing.T, agent bool, head, body string) { all.take(t, attempt{agent, head, body}) })
}

// FuzzBodies changes what is written only.
func FuzzBodies(f *testing.F) {
	seeds := writes()
	for i, a := range seeds {
		f.Add(uint8(i), a.body)
	}
	all := newSides(f)
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		a := seeds[int(which)%len(seeds)]
		all.take(t, attempt{a.agent, a.head, body})
	})
}

// recorder is what a watch wants of an answer: one that it is told the end of.
type recorder struct{ *httptest.ResponseRecorder }

// CloseNotify never tells: the context of the request does.
func (recorder) CloseNotify() <-chan bool { return nil }

// serve hands a request to the API; false if it is none that a server takes.
func (w *world) serve(t *testing.T, head, body string) (code int, answer *httptest.ResponseRecorder, ok bool) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "\r\n")))
	if err != nil {
		return 0, nil, false
	}
	patience := 20 * time.Second
	if r.Method == http.MethodGet && strings.Contains(head, "watch") {
		patience = 20 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	whole := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://sidecar/", strings.NewReader(body))
	whole.Method, whole.URL, whole.Header, whole.RequestURI = r.Method, r.URL, r.Header, r.RequestURI
	whole.Header.Del("Upgrade") // a recorder has no connection to hand over
	answer = httptest.NewRecorder()
	w.api.ServeHTTP(recorder{answer}, whole)
	return answer.Code, answer, true
}

// checkAnswer: a failure is a Status, and never the server's fault. Of a path or
// a method that there is not, k8s.io/apiserver says so in plain text, as on a hub.
func checkAnswer(t *testing.T, code int, answer *httptest.ResponseRecorder) {
	t.Helper()
	if code < 400 {
		return
	}
	if code >= 500 && code != http.StatusGatewayTimeout {
		t.Errorf("%d %s", code, answer.Body)
	}
	if strings.HasPrefix(answer.Body.String(), "404 page not found") || strings.HasPrefix(answer.Body.String(), "405: Method Not Allowed") {
		return
	}
	var told metav1.Status
	if err := json.Unmarshal(answer.Body.Bytes(), &told); err != nil || told.Kind != "Status" || int(told.Code) != code {
		t.Errorf("%d %s is no Status: %v", code, answer.Body, err)
	}
}

// checkWorks: what is there would be taken as it is.
func (w *world) checkWorks(t *testing.T) {
	t.Helper()
	_, raw := w.call(t, "GET", worksPath, "", "")
	_, typed := w.call(t, "GET", worksPath+"?pretty=false", "", "")
	list := decode[workv1.ManifestWorkList](t, raw)
	a, _ := json.Marshal(list)
	b, _ := json.Marshal(decode[workv1.ManifestWorkList](t, typed))
	if string(a) != string(b) {
		t.Errorf("bytes\n%s\ntypes\n%s", a, b)
	}
	for _, work := range list.Items {
		w.checkWork(t, &work)
	}
}

func (w *world) checkWork(t *testing.T, work *workv1.ManifestWork) {
	t.Helper()
	if !manifestwork.ValidName(work.Name) || work.UID == "" || work.ResourceVersion == "" || work.Generation < 1 || work.CreationTimestamp.IsZero() {
		t.Errorf("metadata %+v", work.ObjectMeta)
	}
	var manifests [][]byte
	for _, m := range work.Spec.Workload.Manifests {
		manifests = append(manifests, m.Raw)
	}
	if fault := manifestwork.CheckManifests(manifests, manifestwork.DefaultMaxBytes); fault != nil {
		t.Errorf("%s: %+v", work.Name, fault)
	}
	res, err := w.engine.Get(t.Context(), resource.Key{DataType: dataType(work), Cluster: work.Namespace, ID: string(work.UID)})
	if err != nil || res.Version != work.Generation || !json.Valid(res.Spec) || !json.Valid(res.Metadata) {
		t.Errorf("%s in the other view: %+v, %v", work.Name, res, err)
	}
}

func dataType(work *workv1.ManifestWork) resource.DataType {
	if named := work.Annotations[manifestwork.DataTypeAnnotation]; named != "" {
		return resource.DataType(named)
	}
	return manifestwork.Bundles
}

// startOver leaves one work, w1.
func (w *world) startOver(t testing.TB, agent bool) {
	t.Helper()
	err := w.store.Update(context.Background(), func(tx *store.Tx) error {
		for m := range w.store.All() {
			tx.Remove(m.Key)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if agent {
		w.arrive(t, "hub1", "id-1", `{"name":"w1","labels":{"app":"demo"}}`, time.Time{})
		return
	}
	if code, answer := w.call(t, "POST", inCluster1, plain, workJSON("cluster1", "w1", "v1")); code != http.StatusCreated {
		t.Fatalf("make w1: %d %s", code, answer)
	}
}
