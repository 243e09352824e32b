package proxy_test

import (
	"context"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestNoDeletionStorm(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		unknown := specRequest(holds("u1", 4), holds("u2", 5))
		s.deliver(unknown)
		none(t, s.taken())
		if held := s.Status().Resync.HeldDeletes; len(held) != 1 || held[0].Count != 2 {
			t.Fatalf("held deletes: %+v", held)
		}
		if err := s.Synced(context.Background(), resource.Scope{DataType: devices}); err != nil {
			t.Fatal(err)
		}
		if sent := s.taken(); len(sent) != 2 || sent[0].DeletionTimestamp == nil || sent[0].ResourceVersion+sent[1].ResourceVersion != 9 {
			t.Fatalf("sent %s", describe(sent))
		}
		s.deliver(specRequest(holds("u3", 1), holds("u4", 1))) // 4 in an hour, 3 allowed
		none(t, s.taken())
		if err := s.Resync(context.Background(), resource.ResyncRequest{AllowDeletes: true}); err != nil {
			t.Fatal(err)
		}
		if sent := s.taken(); len(sent) != 2 {
			t.Fatalf("sent %s", describe(sent))
		}
		other := holds("u5", 1)
		other.Source = "hub2"
		s.deliver(specRequest(other))
		none(t, s.taken())
	})
}

// An agent lists what it is deleting until its app has done so: that is no
// other delete.
func TestDeletesToldAgainAreNotCountedAgain(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		if err := s.Synced(context.Background(), resource.Scope{}); err != nil {
			t.Fatal(err)
		}
		for round := range 4 {
			s.deliver(specRequest(holds("u1", 1), holds("u2", 1)))
			if sent := s.taken(); len(sent) != 2 {
				t.Fatalf("round %d: sent %s", round, describe(sent))
			}
			time.Sleep(10 * time.Second)
		}
		s.deliver(specRequest(holds("u3", 1)))
		one(t, s.taken())
		s.deliver(specRequest(holds("u4", 1)))
		none(t, s.taken())
		time.Sleep(time.Hour)
		s.deliver(specRequest(holds("u4", 1)))
		one(t, s.taken())
	})
}
