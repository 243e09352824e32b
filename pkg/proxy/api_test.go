package proxy_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestSourcePutGuards(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		ctx := context.Background()
		first := s.put("a", `{}`)
		put := func(change func(*resource.PutRequest)) error {
			req := resource.PutRequest{Key: key("a"), Spec: resource.Payload{Data: []byte(`{"n":1}`), ContentType: "application/json"}}
			change(&req)
			_, _, err := s.Put(ctx, req)
			return err
		}
		s.deliver(statusOf("a", 1, `{}`)) // changes the revision, not what If-Match guards
		for name, c := range map[string]struct {
			change func(*resource.PutRequest)
			want   resource.Code
		}{
			"exists":          {func(r *resource.PutRequest) { r.IfNoneMatch = true }, resource.PreconditionFailed},
			"too high":        {func(r *resource.PutRequest) { r.Version = resource.MaxVersion + 1 }, resource.InvalidArgument},
			"future revision": {func(r *resource.PutRequest) { rev := resource.Revision(1 << 62); r.IfMatch = &rev }, resource.PreconditionFailed},
			"other source":    {func(r *resource.PutRequest) { r.Key.Source = "hub2" }, resource.NotFound},
			"foreign type":    {func(r *resource.PutRequest) { r.Key.DataType = "com.example.v1.others" }, resource.InvalidArgument},
			"metadata":        {func(r *resource.PutRequest) { r.Metadata = []byte(`[]`) }, resource.InvalidArgument},
		} {
			if err := put(c.change); resource.CodeOf(err) != c.want || err == nil {
				t.Errorf("%s: %v, want %s", name, err, c.want)
			}
		}
		if err := put(func(r *resource.PutRequest) { r.IfMatch = &first.Revision }); err != nil {
			t.Errorf("If-Match after a mere status change: %v", err)
		}
		if err := put(func(r *resource.PutRequest) { r.IfMatch = &first.Revision; r.Version = 9 }); resource.CodeOf(err) != resource.PreconditionFailed {
			t.Errorf("If-Match after a change: %v", err)
		}
		if err := put(func(r *resource.PutRequest) { r.Version = 9 }); err != nil || s.get("a").Version != 9 {
			t.Errorf("version as a floor: %v, version %d", err, s.get("a").Version)
		}
		s.delete("a", false)
		if err := put(func(*resource.PutRequest) {}); resource.CodeOf(err) != resource.DeletingCode {
			t.Errorf("put while deleting: %v", err)
		}
		_, err := s.SetStatus(ctx, resource.StatusRequest{Key: key("a"), Status: []byte(`{}`)})
		if resource.CodeOf(err) != resource.Forbidden {
			t.Errorf("status at a source: %v", err)
		}
	})
}

func TestAwait(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		res := s.put("a", `{}`)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if got, err := s.Await(ctx, res.Key, res.Version, resource.WaitPublished); err != nil || got.Sync.State != resource.Published {
			t.Fatalf("await published: %v", err)
		}
		_, err := s.Await(ctx, res.Key, res.Version, resource.WaitObserved)
		var late *resource.Error
		if !errors.As(err, &late) || late.Code != resource.DeadlineExceeded || late.Resource == nil {
			t.Fatalf("await observed with nobody there: %v", err)
		}
		s.delete("a", false)
		s.deliver(statusOf("a", 1, deletedStatus))
		if got, err := s.Await(context.Background(), res.Key, 1, resource.WaitObserved); got != nil || err != nil {
			t.Fatalf("await the end of a delete: %v, %v", got, err)
		}
	})
}

// A lease may be extended with word of what was done so far.
func TestExtendedLeaseReportsStatus(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		s.deliver(specOf("a", 1, `{}`))
		item := s.leaseOne()
		s.answerLease(item, resource.WorkResult{Result: resource.ResultExtend, LeaseFor: time.Hour, Status: []byte(`{"half":true}`)})
		if e := one(t, s.taken()); string(e.Payload.Data) != `{"half":true}` {
			t.Fatalf("sent %s", e.Payload.Data)
		}
		time.Sleep(59 * time.Minute)
		s.idle()
		s.answerLease(item, resource.WorkResult{})
		s.idle()
	})
}
