package client_test

import (
	"encoding/json"
	"errors"
	"iter"
	"strconv"
	"testing"

	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// puts yields n devices of 2 KiB, then the error if there is one.
func puts(n int, last error) iter.Seq2[resource.PutRequest, error] {
	return func(yield func(resource.PutRequest, error) bool) {
		for i := range n {
			req := resource.PutRequest{Key: key, Spec: spec("{\n\"n\": " + strconv.Itoa(i) + "}")}
			req.Key.ID = "dev-" + strconv.Itoa(i)
			if !yield(req, nil) {
				return
			}
		}
		if last != nil {
			yield(resource.PutRequest{}, last)
		}
	}
}

func TestApply(t *testing.T) {
	backend, c := start(t, resource.Source)
	scope := &resource.Scope{DataType: devices, Cluster: "cluster1"}
	result := must[*resource.ApplyResult](t)(c.Apply(t.Context(), nil, puts(500, nil)))
	if result.Applied != 500 || result.Failed != 0 {
		t.Fatalf("result %+v", result)
	}
	result = must[*resource.ApplyResult](t)(c.Apply(t.Context(), scope, puts(10, nil)))
	if result.Unchanged != 10 || result.Deleted != 490 {
		t.Errorf("result %+v", result)
	}
	if synced := backend.Status().Store.Synced; len(synced) != 1 || synced[0] != *scope {
		t.Errorf("synced %+v", synced)
	}
}

func TestApplyTellsWhatFailed(t *testing.T) {
	_, c := start(t, resource.Source)
	revision := resource.Revision(7)
	items := func(yield func(resource.PutRequest, error) bool) {
		_ = yield(resource.PutRequest{Key: key, Spec: spec("1"), IfMatch: &revision}, nil) &&
			yield(resource.PutRequest{Key: key, Spec: resource.Payload{Data: []byte("x"), ContentType: "text/plain"}}, nil)
	}
	result := must[*resource.ApplyResult](t)(c.Apply(t.Context(), nil, items))
	if result.Applied != 1 || result.Failed != 1 || len(result.Errors) != 1 {
		t.Fatalf("result %+v", result)
	}
	if e := result.Errors[0]; e.Line != 1 || e.Key == nil || *e.Key != key || e.Code != resource.PreconditionFailed || e.Detail == "" {
		t.Errorf("error %+v", e)
	}
}

// An error among the items breaks the body off: the sidecar must not take what
// came for the whole.
func TestApplyEndsWithTheErrorOfAnItem(t *testing.T) {
	backend, c := start(t, resource.Source)
	must[*resource.ApplyResult](t)(c.Apply(t.Context(), nil, puts(1, nil)))
	broken := errors.New("broken")
	_, err := c.Apply(t.Context(), &resource.Scope{DataType: devices, Cluster: "cluster1"}, puts(0, broken))
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if total := backend.Status().Resources.Total; total != 1 {
		t.Errorf("%d resources, want the one that was there", total)
	}
}

func TestApplyLines(t *testing.T) {
	_, c := start(t, resource.Source)
	lines := func(yield func(json.RawMessage, error) bool) {
		yield(json.RawMessage(`{"dataType":"`+devices+`","cluster":"c","id":"x","spec":1,"sync":{}}`), nil)
	}
	if result := must[*resource.ApplyResult](t)(c.ApplyLines(t.Context(), nil, lines)); result.Applied != 1 {
		t.Errorf("result %+v", result)
	}
}

func TestApplyFails(t *testing.T) {
	_, agent := start(t, resource.Agent)
	_, err := agent.Apply(t.Context(), nil, puts(20_000, nil))
	wantCode(t, err, resource.Forbidden)

	nobody := client.New(apitest.Socket(t))
	_, err = nobody.Apply(t.Context(), nil, puts(20_000, nil))
	wantCode(t, err, resource.Unavailable)
}
