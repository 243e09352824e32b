package proxy_test

import (
	"context"
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
)

func (s *sidecar) deadKeys() int {
	s.t.Helper()
	dead, err := s.Dead("resources")
	if err != nil {
		s.t.Fatal(err)
	}
	return len(dead)
}

// What is dropped is done: it is no longer listed, also after a restart, and
// comes back when it changes.
func TestDropDead(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		ctx := context.Background()
		giveUp := resource.WorkResult{Result: resource.ResultFailed, NoRetry: true}
		for _, id := range []string{"a", "b"} {
			s.deliver(specOf(id, 1, `{}`))
			s.answerLease(s.leaseOne(), giveUp)
		}
		key := resource.Key{DataType: devices, Cluster: cluster, ID: "a"}
		if n, err := s.DropDead(ctx, resource.RequeueRequest{Queue: "resources", Key: &key}); n != 1 || err != nil {
			t.Fatalf("dropped %d: %v", n, err)
		}
		if _, err := s.DropDead(ctx, resource.RequeueRequest{Queue: "resources", Key: &key}); resource.CodeOf(err) != resource.NotFound {
			t.Fatalf("dropped twice: %v", err)
		}
		if s.idle(); s.deadKeys() != 1 {
			t.Fatalf("%d dead keys, want 1", s.deadKeys())
		}
		s.restart()
		if s.idle(); s.deadKeys() != 1 {
			t.Fatalf("%d dead keys after a restart, want 1", s.deadKeys())
		}
		if n, err := s.DropDead(ctx, resource.RequeueRequest{Queue: "resources", All: true}); n != 1 || err != nil {
			t.Fatalf("dropped %d: %v", n, err)
		}
		s.deliver(specOf("a", 2, `{"v":2}`))
		if item := s.leaseOne(); item.Object.Version != 2 || len(item.Reasons) != 1 {
			t.Fatalf("leased %+v", item)
		}
	})
}
