package localapi_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/goleak"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/test/openapi"
)

const (
	devices  = "com.example.fleet.v1alpha1.devices"
	devPath  = "/v1/resources/" + devices + "/cluster1/dev-1"
	patience = 5 * time.Second // for what must happen
)

var devKey = resource.Key{DataType: devices, Source: apitest.Name, Cluster: "cluster1", ID: "dev-1"}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// api is a sidecar's API that a test calls as any HTTP client would.
type api struct {
	t       testing.TB
	backend *apitest.Backend
	socket  string
	http    *http.Client
}

func serve(t testing.TB, role resource.Role, change ...func(*localapi.Options)) *api {
	t.Helper()
	backend := apitest.New(role)
	o := localapi.Options{Backend: backend}
	for _, f := range change {
		f(&o)
	}
	return &api{t: t, backend: backend, socket: apitest.Serve(t, o), http: nil}
}

func (a *api) client() *http.Client {
	if a.http == nil {
		socket := a.socket
		transport := &http.Transport{ExpectContinueTimeout: patience, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}
		a.http = &http.Client{Transport: transport}
		a.t.Cleanup(transport.CloseIdleConnections)
	}
	return a.http
}

// answer is what a call was answered.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

// call makes a call; headers are "Name: value".
func (a *api) call(method, target, body string, headers ...string) answer {
	a.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, "http://sidecar"+target, reader)
	if err != nil {
		a.t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Add(name, value)
	}
	return a.do(req)
}

// do makes the call, and holds its answer against openapi.yaml.
func (a *api) do(req *http.Request) answer {
	a.t.Helper()
	sent := requestBody(a.t, req)
	response, err := a.client().Do(req)
	if err != nil {
		a.t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		a.t.Fatalf("%s %s: read the answer: %v", req.Method, req.URL, err)
	}
	a.check(openapi.Exchange{
		Method: req.Method, URL: req.URL, RequestType: req.Header.Get("Content-Type"), Request: sent,
		Status: response.StatusCode, Header: response.Header, Answer: body, Staged: a.backend != nil && a.backend.Fail != nil,
	})
	return answer{t: a.t, status: response.StatusCode, header: response.Header, body: string(body)}
}

// requestBody is what a request is about to send, if it is held in memory.
func requestBody(t testing.TB, req *http.Request) []byte {
	t.Helper()
	if req.GetBody == nil {
		return nil
	}
	body, err := req.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (a *api) check(x openapi.Exchange) {
	a.t.Helper()
	document, err := openapi.Load()
	if err == nil {
		err = document.Check(x)
	}
	if err != nil {
		a.t.Error(err)
	}
}

// want checks the status and that the body holds every text.
func (r answer) want(status int, texts ...string) answer {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	for _, text := range texts {
		if !strings.Contains(r.body, text) {
			r.t.Fatalf("the answer lacks %q: %s", text, r.body)
		}
	}
	return r
}

// problem is an error's body.
type problem struct {
	Type, Title, Code, Detail string
	Status                    int
	Errors                    []resource.FieldError
	Resource                  *resource.Resource
}

// wantProblem checks an error in all that every error has.
func (r answer) wantProblem(status int, code resource.Code, texts ...string) problem {
	r.t.Helper()
	r.want(status, texts...)
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		r.t.Fatalf("content type %q", got)
	}
	var p problem
	r.decode(&p)
	if p.Type != "about:blank" || p.Title != http.StatusText(status) || p.Status != status || p.Code != string(code) || p.Detail == "" {
		r.t.Fatalf("not the problem of %s: %s", code, r.body)
	}
	return p
}

func (r answer) decode(to any) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(r.body), to); err != nil {
		r.t.Fatalf("%v: %s", err, r.body)
	}
}

func (r answer) resource() *resource.Resource {
	r.t.Helper()
	res := new(resource.Resource)
	r.decode(res)
	return res
}

// eventually checks again and again until it holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

func newRegistry() *prometheus.Registry { return prometheus.NewRegistry() }

func metricsOf(registry *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}
