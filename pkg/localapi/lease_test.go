package localapi_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
)

const leasePath = "/v1/queues/resources/lease"

type leases struct {
	Items []struct {
		Lease   string
		Key     resource.Key
		Reasons []string
		Attempt int
		Object  *resource.Resource
	}
}

func (a *api) lease(body string) leases {
	a.t.Helper()
	var l leases
	a.call("POST", leasePath, body).want(200).decode(&l)
	return l
}

func TestLeaseIsALongPoll(t *testing.T) {
	a := serve(t, resource.Agent)
	time.AfterFunc(20*time.Millisecond, func() {
		a.backend.Receive(resource.Resource{Key: devKey, Version: 3, Spec: []byte(`{"on":true}`)})
	})
	l := a.lease(`{"wait":"5s"}`)
	if len(l.Items) != 1 {
		t.Fatalf("%d items", len(l.Items))
	}
	item := l.Items[0]
	if item.Key != devKey || item.Attempt != 1 || strings.Join(item.Reasons, " ") != "created" || string(item.Object.Spec) != `{"on":true}` {
		t.Errorf("item %+v", item)
	}
}

func TestLeaseAnswersEmptyWhenTheWaitIsOver(t *testing.T) {
	a := serve(t, resource.Agent)
	for _, body := range []string{"", "{}", `{"wait":"10ms"}`, `{"max":1,"wait":"0s","leaseFor":"60s","dataTypes":[]}`} {
		a.call("POST", leasePath, body).want(200, `{"items":[]}`)
	}
}

func TestLeaseSelectsAndLimits(t *testing.T) {
	a := serve(t, resource.Agent)
	for i := range 3 {
		key := devKey
		key.ID = fmt.Sprint("dev-", i)
		a.backend.Receive(resource.Resource{Key: key, Version: 1})
	}
	if l := a.lease(`{"max":10,"dataTypes":["com.example.fleet.v1alpha1.other"]}`); len(l.Items) != 0 {
		t.Errorf("%d items of another type", len(l.Items))
	}
	if l := a.lease(`{"max":2,"dataTypes":["` + devices + `","com.example.fleet.v1alpha1.other"]}`); len(l.Items) != 2 {
		t.Errorf("%d items, want 2", len(l.Items))
	}
}

func TestLeaseRefuses(t *testing.T) {
	a := serve(t, resource.Agent)
	for body, pointer := range map[string]string{
		`{"max":0}`: "/max", `{"max":1001}`: "/max", `{"max":"1"}`: "/max",
		`{"wait":"61s"}`: "/wait", `{"wait":"-1s"}`: "/wait", `{"wait":5}`: "/wait", `{"wait":"soon"}`: "/wait",
		`{"leaseFor":"999ms"}`: "/leaseFor", `{"leaseFor":"61m"}`: "/leaseFor",
		`{"dataTypes":["x"]}`: "/dataTypes/0", `{"dataTypes":["` + devices + `",1]}`: "/dataTypes/1", `{"dataTypes":{}}`: "/dataTypes",
		`{"limit":1}`: "/limit", `[]`: "",
	} {
		p := a.call("POST", leasePath, body).wantProblem(400, resource.InvalidArgument)
		if len(p.Errors) != 1 || p.Errors[0].Pointer != pointer {
			t.Errorf("%s: errors %v, want one at %q", body, p.Errors, pointer)
		}
	}
	a.call("POST", "/v1/queues/none/lease", "").wantProblem(404, resource.NotFound)
	failWith(a, resource.Errorf(resource.Unavailable, "not yet"))
	a.call("POST", leasePath, "").wantProblem(503, resource.Unavailable)
}

func TestALeaseWhoseCallerHasGoneComesBack(t *testing.T) {
	backend := handsOutLate{apitest.New(resource.Agent), make(chan struct{}), make(chan struct{})}
	a := serve(t, resource.Agent, func(o *localapi.Options) { o.Backend = backend })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "POST", "http://sidecar"+leasePath, strings.NewReader(`{"wait":"5s"}`))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if response, err := a.client().Do(req); err == nil {
			_ = response.Body.Close()
		}
	}()
	<-backend.waiting
	cancel()
	<-ended
	backend.Receive(resource.Resource{Key: devKey, Version: 1})
	close(backend.proceed)
	if got := backend.Returned(1, patience); len(got) != 1 {
		t.Fatalf("returned %v", got)
	}
	if items, _ := backend.Backend.Lease(context.Background(), resource.LeaseRequest{Queue: apitest.Queue, Max: 1}); len(items) != 1 {
		t.Errorf("%d items wait, want the one that came back", len(items))
	}
}

// handsOutLate hands out work only when told, even to a caller who has gone.
type handsOutLate struct {
	*apitest.Backend
	waiting, proceed chan struct{}
}

func (b handsOutLate) Lease(ctx context.Context, req resource.LeaseRequest) ([]resource.LeaseItem, error) {
	close(b.waiting)
	<-b.proceed
	<-ctx.Done()
	return b.Backend.Lease(context.WithoutCancel(ctx), req)
}

func TestALongPollEndsEmptyWithTheServer(t *testing.T) {
	backend := apitest.New(resource.Agent)
	socket := apitest.Socket(t)
	stop := apitest.ServeAt(t, localapi.Options{Backend: backend}, socket)
	a := &api{t: t, backend: backend, socket: socket}
	answered := make(chan answer, 1)
	go func() { answered <- a.call("POST", leasePath, `{"wait":"60s"}`) }()
	eventually(t, "the call waits", func() bool { return backend.Leasing() == 1 })
	stop()
	(<-answered).want(200, `{"items":[]}`)
}

func TestResults(t *testing.T) {
	a := serve(t, resource.Agent)
	lease := func() string {
		a.backend.Receive(resource.Resource{Key: devKey, Version: 1})
		return "/v1/leases/" + a.lease("").Items[0].Lease
	}
	for _, body := range []string{
		``, `{}`, `{"result":"done"}`, `{"result":"","requeueAfter":"10s"}`, `{"deleted":false,"retry":true,"error":""}`,
		`{"status":{"ready":true}}`, `{"result":"failed","error":"no","retry":false}`,
	} {
		path := lease()
		a.call("POST", path, body).want(200, "{}")
		a.call("POST", path, body).wantProblem(404, resource.NotFound)
	}
	if got := a.call("GET", devPath, "").resource(); string(got.Status) != "" && string(got.Status) != `{"ready":true}` {
		t.Errorf("status %s", got.Status)
	}
	path := lease()
	a.call("POST", path, `{"result":"extend","leaseFor":"60s","status":{"step":2}}`).want(200)
	if got := a.call("GET", devPath, "").resource(); string(got.Status) != `{"step":2}` {
		t.Errorf("status %s", got.Status)
	}
	a.call("POST", path, `{"deleted":true}`).want(200)
	a.call("GET", devPath, "").want(404)
}

func TestResultsRefused(t *testing.T) {
	a := serve(t, resource.Agent)
	for body, pointer := range map[string]string{
		`{"result":"maybe"}`: "/result", `{"result":1}`: "/result",
		`{"requeueAfter":"-1s"}`: "/requeueAfter", `{"requeueAfter":10}`: "/requeueAfter",
		`{"result":"extend","requeueAfter":"1s"}`: "/requeueAfter",
		`{"leaseFor":"60s"}`:                      "/leaseFor", `{"result":"extend","leaseFor":"1ms"}`: "/leaseFor",
		`{"result":"failed","deleted":true}`: "/deleted", `{"deleted":1}`: "/deleted",
		`{"retry":false}`: "/retry", `{"status":[]}`: "/status", `{"state":1}`: "/state", `null`: "", `"done"`: "",
	} {
		p := a.call("POST", "/v1/leases/x", body).wantProblem(400, resource.InvalidArgument)
		if len(p.Errors) != 1 || p.Errors[0].Pointer != pointer {
			t.Errorf("%s: errors %v, want one at %q", body, p.Errors, pointer)
		}
	}
	a.call("POST", "/v1/leases/x", "", "Content-Type: text/plain").wantProblem(415, resource.UnsupportedMediaType)
}

func TestDeadKeys(t *testing.T) {
	a := serve(t, resource.Agent)
	a.call("GET", "/v1/queues/resources/dead", "").want(200, `{"items":[]}`)
	a.backend.Receive(resource.Resource{Key: devKey, Version: 1})
	a.call("POST", "/v1/leases/"+a.lease("").Items[0].Lease, `{"result":"failed","retry":false,"error":"broken"}`).want(200)
	a.call("GET", "/v1/queues/resources/dead", "").want(200, `"error":"broken"`, `"id":"dev-1"`)
	a.call("GET", "/v1/queues/resources", "").want(200, `"name":"resources"`, `"dead":1`)
	a.call("GET", "/v1/queues", "").want(200, `{"items":[{"name":"resources"`)
	a.call("POST", "/v1/queues/resources/dead/retry", `{"all":false}`).wantProblem(400, resource.InvalidArgument)
	a.call("POST", "/v1/queues/resources/dead/drop", `{"all":false}`).wantProblem(400, resource.InvalidArgument)
	a.call("POST", "/v1/queues/resources/dead/retry", "").want(200, `{"retried":1}`)
	a.call("POST", "/v1/queues/resources/dead/retry", "{}").want(200, `{"retried":0}`)
	a.call("POST", "/v1/queues/resources/dead/retry", `{"all":null}`).want(200, `{"retried":0}`)
	a.call("POST", "/v1/queues/resources/dead/drop", "").want(200, `{"dropped":0}`)
	a.call("POST", "/v1/queues/resources/dead/drop", `{"key":{"dataType":"`+devices+`","cluster":"cluster1","id":"dev-1"}}`).wantProblem(404, resource.NotFound)
	for _, path := range []string{"/v1/queues/none", "/v1/queues/none/dead"} {
		a.call("GET", path, "").wantProblem(404, resource.NotFound)
	}
}

func TestRequeue(t *testing.T) {
	a := serve(t, resource.Agent)
	const path = "/v1/queues/resources/requeue"
	a.backend.Receive(resource.Resource{Key: devKey, Version: 1})
	a.call("POST", path, `{"all":true}`).want(200, `{"requeued":1}`)
	a.call("POST", path, `{"key":{"dataType":"`+devices+`","cluster":"cluster1","id":"dev-1"}}`).want(200, `{"requeued":1}`)
	for body, pointer := range map[string]string{
		``: "", `{}`: "", `{"all":false}`: "", `{"all":true,"key":{"dataType":"` + devices + `","cluster":"c","id":"x"}}`: "",
		`{"key":{}}`: "/key", `{"key":1}`: "/key", `{"key":{"id":"."}}`: "/key/id", `{"key":{"cluster":"A"}}`: "/key/cluster",
		`{"key":{"dataType":"x"}}`: "/key/dataType", `{"key":{"name":"x"}}`: "/key/name", `{"queue":"x"}`: "/queue", `{"all":1}`: "/all",
	} {
		p := a.call("POST", path, body).wantProblem(400, resource.InvalidArgument)
		if len(p.Errors) != 1 || p.Errors[0].Pointer != pointer {
			t.Errorf("%s: errors %v, want one at %q", body, p.Errors, pointer)
		}
	}
}
