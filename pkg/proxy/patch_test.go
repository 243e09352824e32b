package proxy_test

import (
	"context"
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestPatch(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.put("a", `{"n":1,"list":[1],"gone":true,"s":"<&>"}`)
		patch := func(id, text string, change func(*resource.PatchRequest)) (*resource.Resource, error) {
			req := resource.PatchRequest{Key: key(id), Patch: []byte(text), MaxBytes: 100}
			if change != nil {
				change(&req)
			}
			return s.Patch(context.Background(), req)
		}
		res, err := patch("a", `{"spec":{"gone":null,"list":[{"x":null}]},"metadata":{"k":"v"}}`, nil)
		if err != nil || string(res.Spec) != `{"list":[{"x":null}],"n":1,"s":"<&>"}` || string(res.Metadata) != `{"k":"v"}` || res.Version != 2 {
			t.Fatalf("%+v, %v", res, err)
		}
		if res, err = patch("a", `{"metadata":null}`, func(r *resource.PatchRequest) { r.Version = 9 }); err != nil || res.Metadata != nil || res.Version != 9 {
			t.Fatalf("%+v, %v", res, err)
		}
		_, _, err = s.Put(context.Background(), resource.PutRequest{Key: key("bin"), Spec: resource.Payload{Data: []byte{0}, ContentType: "x/y"}})
		if err != nil {
			t.Fatal(err)
		}
		if res, err = patch("bin", `{"metadata":{"k":1}}`, nil); err != nil || string(res.SpecBase64) != "\x00" || res.ContentType != "x/y" || string(res.Metadata) != `{"k":1}` {
			t.Fatalf("%+v, %v", res, err)
		}
		old := resource.Revision(1)
		for name, c := range map[string]struct {
			id, patch string
			change    func(*resource.PatchRequest)
			want      resource.Code
		}{
			"missing":      {"none", `{}`, nil, resource.NotFound},
			"no spec left": {"a", `{"spec":null}`, nil, resource.InvalidArgument},
			"too large":    {"a", `{"spec":{"fill":"0123456789012345678901234567890123456789012345678901234567890123456789"}}`, nil, resource.TooLarge},
			"not JSON":     {"bin", `{"spec":{"a":1}}`, nil, resource.Conflict},
			"revision":     {"a", `{"spec":{"a":1}}`, func(r *resource.PatchRequest) { r.IfMatch = &old }, resource.PreconditionFailed},
			"status":       {"a", `{}`, func(r *resource.PatchRequest) { r.OfStatus = true }, resource.Forbidden},
		} {
			if _, err := patch(c.id, c.patch, c.change); err == nil || resource.CodeOf(err) != c.want {
				t.Errorf("%s: %v, want %s", name, err, c.want)
			}
		}
		s.delete("a", false)
		if _, err := patch("a", `{"spec":{"a":1}}`, nil); resource.CodeOf(err) != resource.DeletingCode {
			t.Errorf("deleting: %v", err)
		}
	})
}

func TestPatchOfAStatus(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		s.deliver(specOf("a", 2, `{}`))
		patch := func(text string, version int64) (*resource.Resource, error) {
			return s.Patch(context.Background(), resource.PatchRequest{Key: key("a"), Patch: []byte(text), OfStatus: true, Version: version, MaxBytes: 40})
		}
		if res, err := patch(`{"x":1,"y":null}`, 1); err != nil || string(res.Status) != `{"x":1}` || res.StatusVersion != 1 {
			t.Fatalf("%+v, %v", res, err)
		}
		if res, err := patch(`{"x":null,"z":2}`, 0); err != nil || string(res.Status) != `{"z":2}` || res.StatusVersion != 2 {
			t.Fatalf("%+v, %v", res, err)
		}
		for name, c := range map[string]struct {
			patch   string
			version int64
			want    resource.Code
		}{
			"too high":  {`{}`, 3, resource.Conflict},
			"too low":   {`{"x":1}`, 1, resource.Conflict},
			"too large": {`{"x":"0123456789012345678901234567890123456789"}`, 0, resource.TooLarge},
		} {
			if _, err := patch(c.patch, c.version); err == nil || resource.CodeOf(err) != c.want {
				t.Errorf("%s: %v, want %s", name, err, c.want)
			}
		}
	})
}
