package proxy_test

import (
	"context"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// An answer that comes while an extension of its lease is being stored is taken
// after it; a second answer finds no lease.
func TestAnswerDuringAnExtension(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		s.deliver(specOf("a", 1, `{}`))
		item := s.leaseOne()
		release := make(chan struct{})
		go func() { // keeps the store busy
			_ = s.store.Update(context.Background(), func(*store.Tx) error { <-release; return nil })
		}()
		results := make(chan error, 3)
		answer := func(r resource.WorkResult) {
			go func() { results <- s.Answer(context.Background(), item.Lease, r) }()
			time.Sleep(time.Second)
		}
		answer(resource.WorkResult{Result: resource.ResultExtend, LeaseFor: time.Hour})
		answer(resource.WorkResult{Status: []byte(`{"ok":true}`)})
		answer(resource.WorkResult{Status: []byte(`{"ok":false}`)})
		close(release)
		lost := 0
		for range 3 {
			if err := <-results; resource.CodeOf(err) == resource.NotFound && err != nil {
				lost++
			} else if err != nil {
				t.Error(err)
			}
		}
		if got := string(s.get("a").Status); lost != 1 || got == "" {
			t.Errorf("%d of two answers found no lease; the status is %s", lost, got)
		}
	})
}
