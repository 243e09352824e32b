package localapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestDrainEndsWhatWaitsAndTakesWhatIsSaid(t *testing.T) {
	server := localapi.New(localapi.Options{Backend: apitest.New(resource.Source)})
	socket := apitest.Socket(t)
	l, err := localapi.Listen(socket, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, server, l)
	a := &api{t: t, socket: socket}
	a.client()

	answers := make(chan answer, 2)
	go func() { answers <- a.call("GET", "/v1/resources?watch=true", "") }()
	go func() { answers <- a.call("POST", "/v1/queues/"+apitest.Queue+"/lease", `{"wait":"60s"}`) }()
	written := make(chan answer, 1)
	go func() { written <- a.call("PUT", devPath+"?wait=published&timeout=300ms", `{"spec":1}`) }()
	eventually(t, "the resource is stored", func() bool { return a.call("GET", devPath, "").status == 200 })
	time.Sleep(50 * time.Millisecond) // for the polls to have begun, or else they are refused

	server.Drain()
	for range 2 {
		select {
		case got := <-answers:
			if got.status != 200 && got.status != 503 {
				t.Errorf("status %d: %s", got.status, got.body)
			}
		case <-time.After(patience):
			t.Fatal("a call that waits for news goes on")
		}
	}
	a.call("POST", "/v1/queues/"+apitest.Queue+"/lease", `{}`).wantProblem(503, resource.Unavailable, "no more work")
	a.call("GET", "/v1/resources?watch=true", "").wantProblem(503, resource.Unavailable)
	a.call("GET", "/readyz", "").want(503, "[-]shutdown failed: the sidecar is ending")
	a.call("GET", "/readyz?exclude=shutdown", "").want(200)
	a.call("GET", "/readyz/shutdown", "").want(503)
	a.call("GET", "/livez", "").want(200)
	(<-written).wantProblem(504, resource.DeadlineExceeded) // its own wait, to the end
	a.call("PUT", devPath, `{"spec":2}`).want(http.StatusOK)
}

func TestABackupIsStreamed(t *testing.T) {
	a := serve(t, resource.Source)
	got := a.call("GET", "/v1/backup", "").want(200, apitest.BackupText)
	if got.header.Get("Content-Type") != "application/octet-stream" || got.header.Get("Content-Length") != "8" {
		t.Errorf("headers %v", got.header)
	}
	if head := a.call("HEAD", "/v1/backup", "").want(200); head.body != "" {
		t.Errorf("HEAD has a body: %q", head.body)
	}
	a.backend.Fail = func(string) error { return resource.Errorf(resource.Unavailable, "closed") }
	a.call("GET", "/v1/backup", "").wantProblem(503, resource.Unavailable)
}
