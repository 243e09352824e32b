package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

const (
	devices  = "com.example.fleet.v1alpha1.devices"
	patience = 5 * time.Second
)

var key = resource.Key{DataType: devices, Source: apitest.Name, Cluster: "cluster1", ID: "a/b ü?%"}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, role resource.Role) (*apitest.Backend, *client.Client) {
	t.Helper()
	backend := apitest.New(role)
	c := client.New(apitest.Serve(t, localapi.Options{Backend: backend}))
	t.Cleanup(c.Close)
	return backend, c
}

func spec(text string) resource.Payload { return resource.Payload{Data: []byte(text)} }

func wantCode(t *testing.T, err error, code resource.Code) *resource.Error {
	t.Helper()
	var e *resource.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("error %v, want %s", err, code)
	}
	return e
}

func must[T any](t *testing.T) func(value T, err error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func TestASourcesCalls(t *testing.T) {
	backend, c := start(t, resource.Source)
	ctx := t.Context()

	res, created, err := c.Put(ctx, resource.PutRequest{Key: key, Spec: spec(`{"on":true}`), Metadata: []byte(`{"labels":{}}`), Version: 5, IfNoneMatch: true})
	if err != nil || !created || res.Key != key || res.Version != 5 || string(res.Metadata) != `{"labels":{}}` {
		t.Fatalf("%+v, %v, %v", res, created, err)
	}
	if got := must[*resource.Resource](t)(c.Get(ctx, key)); got.Revision != res.Revision || string(got.Spec) != `{"on":true}` {
		t.Errorf("got %+v", got)
	}
	_, _, err = c.Put(ctx, resource.PutRequest{Key: key, Spec: spec(`1`), IfMatch: new(resource.Revision)})
	wantCode(t, err, resource.PreconditionFailed)

	patched := must[*resource.Resource](t)(c.Patch(ctx, resource.PatchRequest{Key: key, Patch: []byte(`{"spec":{"on":null}}`), IfMatch: &res.Revision}))
	if string(patched.Spec) != `{}` {
		t.Errorf("patched %s", patched.Spec)
	}
	_, _, err = c.Put(ctx, resource.PutRequest{Key: key, Spec: spec(`{}`)}, client.WaitFor(resource.WaitObserved, 10*time.Millisecond))
	if e := wantCode(t, err, resource.DeadlineExceeded); e.Resource == nil || e.Resource.Key != key {
		t.Errorf("resource %+v", e.Resource)
	}

	backend.SetState(key, resource.Published)
	if res, done, err := c.Delete(ctx, resource.DeleteRequest{Key: key}); err != nil || done || res.DeletionTimestamp == nil {
		t.Errorf("%+v, %v, %v", res, done, err)
	}
	if res, done, err := c.Delete(ctx, resource.DeleteRequest{Key: key, Force: true}, client.WaitFor(resource.WaitObserved, 0)); err != nil || !done || res != nil {
		t.Errorf("%+v, %v, %v", res, done, err)
	}
	_, err = c.Get(ctx, key)
	wantCode(t, err, resource.NotFound)
	if _, done, err := c.Delete(ctx, resource.DeleteRequest{Key: key}); done || resource.CodeOf(err) != resource.NotFound {
		t.Errorf("%v, %v", done, err)
	}
}

func TestASpecThatIsNotJSON(t *testing.T) {
	_, c := start(t, resource.Source)
	res, _, err := c.Put(t.Context(), resource.PutRequest{Key: key, Spec: resource.Payload{Data: []byte{0, 255}, ContentType: "application/octet-stream"}})
	if err != nil || string(res.SpecBase64) != "\x00\xff" || res.ContentType != "application/octet-stream" {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestListInPages(t *testing.T) {
	_, c := start(t, resource.Source)
	for _, id := range []string{"a", "b", "c"} {
		k := key
		k.ID = id
		if _, _, err := c.Put(t.Context(), resource.PutRequest{Key: k, Spec: spec("1")}); err != nil {
			t.Fatal(err)
		}
	}
	var ids string
	for res, err := range c.All(t.Context(), resource.ListRequest{DataType: devices, Cluster: "cluster1", Source: apitest.Name, State: resource.Pending, Limit: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		ids += res.ID
	}
	if ids != "abc" {
		t.Errorf("listed %s", ids)
	}
	for range c.All(t.Context(), resource.ListRequest{Limit: 1}) {
		break
	}
	for _, err := range c.All(t.Context(), resource.ListRequest{Cluster: "A"}) {
		wantCode(t, err, resource.InvalidArgument)
	}
	if n := must[int](t)(c.DeleteCluster(t.Context(), "cluster1")); n != 3 {
		t.Errorf("deleted %d", n)
	}
}

func TestAnAgentsCalls(t *testing.T) {
	backend, c := start(t, resource.Agent)
	ctx := t.Context()
	backend.Receive(resource.Resource{Key: key, Version: 3, Spec: []byte(`{}`)})

	items := must[[]resource.LeaseItem](t)(c.Lease(ctx, resource.LeaseRequest{Queue: apitest.Queue, Max: 5, Wait: time.Second, LeaseFor: time.Minute, DataTypes: []resource.DataType{devices}}))
	if len(items) != 1 || items[0].Key != key || items[0].Object.Version != 3 {
		t.Fatalf("items %+v", items)
	}
	lease := items[0].Lease
	if err := c.Answer(ctx, lease, resource.WorkResult{Result: resource.ResultExtend, LeaseFor: time.Minute, Status: []byte(`{"step":1}`)}); err != nil {
		t.Fatal(err)
	}
	if err := c.Answer(ctx, lease, resource.WorkResult{Result: resource.ResultFailed, RequeueAfter: time.Second, Error: "no", NoRetry: true}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, c.Answer(ctx, lease, resource.WorkResult{}), resource.NotFound)

	if dead := must[[]resource.DeadItem](t)(c.Dead(ctx, apitest.Queue)); len(dead) != 1 || dead[0].Error != "no" {
		t.Errorf("dead %+v", dead)
	}
	if n := must[int](t)(c.RetryDead(ctx, resource.RequeueRequest{Queue: apitest.Queue, Key: &key})); n != 1 {
		t.Errorf("retried %d", n)
	}
	if n := must[int](t)(c.Requeue(ctx, resource.RequeueRequest{Queue: apitest.Queue, All: true})); n != 1 {
		t.Errorf("requeued %d", n)
	}
	anySource := key
	anySource.Source = ""
	if n := must[int](t)(c.Requeue(ctx, resource.RequeueRequest{Queue: apitest.Queue, Key: &anySource})); n != 1 {
		t.Errorf("requeued %d", n)
	}
	if stats := must[resource.QueueStats](t)(c.Queue(ctx, apitest.Queue)); stats.Name != apitest.Queue {
		t.Errorf("stats %+v", stats)
	}
	if all := must[[]resource.QueueStats](t)(c.Queues(ctx)); len(all) != 1 {
		t.Errorf("queues %+v", all)
	}
	res := must[*resource.Resource](t)(c.SetStatus(ctx, resource.StatusRequest{Key: key, Status: []byte(`{"ready":true}`), Version: 3}))
	res = must[*resource.Resource](t)(c.Patch(ctx, resource.PatchRequest{Key: res.Key, Patch: []byte(`{"ready":null}`), OfStatus: true, Version: 3}))
	if string(res.Status) != `{}` || res.StatusVersion != 3 {
		t.Errorf("status %s of %d", res.Status, res.StatusVersion)
	}
}

func TestControl(t *testing.T) {
	backend, c := start(t, resource.Source)
	ctx := t.Context()
	if err := errors.Join(c.Live(ctx), c.Ready(ctx), c.Resync(ctx, resource.ResyncRequest{Cluster: "cluster1"}), c.Synced(ctx, resource.Scope{DataType: devices})); err != nil {
		t.Fatal(err)
	}
	if status := must[*resource.Status](t)(c.Status(ctx)); status.Role != resource.Source || len(status.Store.Synced) != 1 {
		t.Errorf("status %+v", status)
	}
	backend.SetCheck("broker", errors.New("connection refused"))
	var notReady *client.NotReady
	if err := c.Ready(ctx, "store"); !errors.As(err, &notReady) || err.Error() != "not ready: broker: connection refused" {
		t.Errorf("error %v", err)
	}
	if err := c.Ready(ctx, "store", "broker"); err != nil {
		t.Error(err)
	}
	wantCode(t, c.Metrics(ctx, os.Stderr), resource.NotFound)
	if err := c.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func TestMetrics(t *testing.T) {
	served := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("up 1\n")) })
	c := client.New(apitest.Serve(t, localapi.Options{Backend: apitest.New(resource.Source), Metrics: served}))
	defer c.Close()
	var text strings.Builder
	if err := c.Metrics(t.Context(), &text); err != nil || text.String() != "up 1\n" {
		t.Errorf("%q, %v", text.String(), err)
	}
}

func TestErrorsCarryWhatTheAnswerSays(t *testing.T) {
	backend, c := start(t, resource.Source)
	backend.Fail = func(string) error {
		e := resource.Errorf(resource.Unavailable, "busy").WithField("/spec")
		e.RetryAfter = 3 * time.Second
		return e
	}
	_, err := c.Get(t.Context(), key)
	if e := wantCode(t, err, resource.Unavailable); e.Detail != "busy" || e.RetryAfter != 3*time.Second || len(e.Fields) != 1 {
		t.Errorf("error %+v", e)
	}
}

func TestASidecarThatIsNotThere(t *testing.T) {
	socket := apitest.Socket(t)
	c := client.New(socket)
	for _, err := range []error{c.Live(t.Context()), c.Ready(t.Context())} {
		e := wantCode(t, err, resource.Unavailable)
		if !strings.Contains(e.Detail, "is the sidecar running?") || !strings.Contains(e.Detail, socket) {
			t.Errorf("detail %q", e.Detail)
		}
	}
}

func TestAServerThatIsNoSidecar(t *testing.T) {
	socket := apitest.Socket(t)
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler()}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	c := client.New(socket)
	defer c.Close()
	wantCode(t, c.Live(t.Context()), resource.Internal)
}

func TestACallEndsWithItsContext(t *testing.T) {
	backend, c := start(t, resource.Agent)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := c.Lease(ctx, resource.LeaseRequest{Queue: apitest.Queue, Wait: time.Minute})
		ended <- err
	}()
	for deadline := time.Now().Add(patience); backend.Leasing() == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
