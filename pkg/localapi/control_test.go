package localapi_test

import (
	"errors"
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestResync(t *testing.T) {
	a := serve(t, resource.Source)
	a.call("POST", "/v1/resync", "").want(200)
	a.call("POST", "/v1/resync", `{"cluster":"cluster1","allowDeletes":true}`).want(200)
	a.call("POST", "/v1/resync", `{"source":"hub1"}`).want(200)
	want := []resource.ResyncRequest{{}, {Cluster: "cluster1", AllowDeletes: true}, {Source: "hub1"}}
	got := a.backend.Resyncs()
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] {
			t.Fatalf("asked %v, want %v", got, want)
		}
	}
	for _, body := range []string{`{"cluster":"A"}`, `{"source":1}`, `{"allowDeletes":"yes"}`, `{"all":true}`} {
		a.call("POST", "/v1/resync", body).wantProblem(400, resource.InvalidArgument)
	}
}

func TestSyncedShowsInStatus(t *testing.T) {
	a := serve(t, resource.Source)
	a.call("GET", "/v1/status", "").want(200, `"role":"source"`, `"synced":[]`, `"heldDeletes":[]`)
	a.call("POST", "/v1/synced", `{"dataType":"`+devices+`","cluster":"cluster1"}`).want(200)
	a.call("POST", "/v1/synced", "").want(200)
	a.call("GET", "/v1/status", "").want(200, `"synced":[{"dataType":"`+devices+`","cluster":"cluster1"},{}]`)
	for _, body := range []string{`{"dataType":"x"}`, `{"cluster":"A"}`, `{"source":"hub1"}`} {
		a.call("POST", "/v1/synced", body).wantProblem(400, resource.InvalidArgument)
	}
	serve(t, resource.Agent).call("POST", "/v1/synced", "").wantProblem(403, resource.Forbidden)
}

func TestShutdownAnswersFirst(t *testing.T) {
	a := serve(t, resource.Source)
	for _, body := range []string{`{"x":1}`, `[]`, `{`} {
		a.call("POST", "/v1/shutdown", body).wantProblem(400, resource.InvalidArgument)
	}
	if n := a.backend.Shutdowns(); n != 0 {
		t.Fatalf("%d shutdowns have begun", n)
	}
	a.call("POST", "/v1/shutdown", "").want(200)
	a.call("POST", "/v1/shutdown", " {} ").want(200)
	eventually(t, "shutdown has begun", func() bool { return a.backend.Shutdowns() == 2 })
}

func TestHealth(t *testing.T) {
	a := serve(t, resource.Source)
	a.call("GET", "/livez", "").want(200, "ok")
	a.call("GET", "/livez?verbose", "").want(200, "[+]ping ok\nlivez check passed\n")
	if got := a.call("GET", "/readyz", "").want(200); got.body != "ok" {
		t.Errorf("body %q", got.body)
	}
	a.call("GET", "/readyz?verbose", "").want(200, "[+]broker ok\n", "readyz check passed")

	a.backend.SetCheck("broker", errors.New("connection\nrefused"))
	got := a.call("GET", "/readyz", "").want(503, "[-]broker failed: connection refused\n", "[+]store ok\n", "readyz check failed")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	a.call("GET", "/livez", "").want(200)
	a.call("GET", "/readyz/broker", "").want(503, "broker check failed")
	a.call("GET", "/readyz/store", "").want(200, "ok")
	a.call("GET", "/readyz/none", "").wantProblem(404, resource.NotFound)
	for _, query := range []string{"exclude=broker", "exclude=broker,resync", "exclude=resync&exclude=broker", "verbose=false&exclude=broker"} {
		a.call("GET", "/readyz?"+query, "").want(200, "ok")
	}
	a.call("GET", "/readyz?exclude=kube", "").want(503, `warn: there is no check "kube"`)
	a.call("GET", "/readyz?exclude=broker&verbose", "").want(200, "[+]broker excluded: ok\n")
	a.call("GET", "/readyz?verbose=x", "").wantProblem(400, resource.InvalidArgument)
}
