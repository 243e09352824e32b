package proxy_test

import (
	"context"
	"strings"
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

// heldFor checks that so many deletes are held, and why.
func (s *sidecar) heldFor(count int, reason string) {
	s.t.Helper()
	held := s.Status().Resync.HeldDeletes
	if len(held) != 1 || held[0].Count != count || !strings.Contains(held[0].Reason, reason) {
		s.t.Fatalf("held deletes are %+v, want %d because of %s", held, count, reason)
	}
}

func (s *sidecar) synced() {
	s.t.Helper()
	if err := s.Synced(context.Background(), resource.Scope{}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sidecar) allowDeletes() {
	s.t.Helper()
	if err := s.Resync(context.Background(), resource.ResyncRequest{AllowDeletes: true}); err != nil {
		s.t.Fatal(err)
	}
}

// A source that crashes again and again does not tell resync.maxDeletes anew
// after each start.
func TestCountOfDeletesOutlivesARestart(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.synced()
		s.deliver(specRequest(holds("u1", 1), holds("u2", 1)))
		if sent := s.taken(); len(sent) != 2 {
			t.Fatalf("sent %s", describe(sent))
		}
		for range 3 {
			s.restart()
			s.deliver(specRequest(holds("u1", 1), holds("u3", 1)))
			if sent := s.taken(); len(sent) != 2 {
				t.Fatalf("sent %s", describe(sent))
			}
			s.restart()
			s.deliver(specRequest(holds("u4", 1)))
			none(t, s.taken())
			s.heldFor(1, "resync.maxDeletes")
		}
		time.Sleep(time.Hour + time.Second)
		s.restart()
		s.deliver(specRequest(holds("u4", 1)))
		one(t, s.taken())
	})
}

// After a restart nothing is held until agents ask again: who has decided that
// the deletes may go need not wait for that.
func TestDeletesAreAllowedBeforeTheyAreHeld(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.allowDeletes()
		many := specRequest(holds("u1", 1), holds("u2", 1), holds("u3", 1), holds("u4", 1))
		s.deliver(many)
		none(t, s.taken())
		s.heldFor(4, "/v1/synced") // what the app has not declared is not allowed by hand
		s.synced()
		s.restart()
		s.allowDeletes()
		s.deliver(many)
		if sent := s.taken(); len(sent) != 4 {
			t.Fatalf("sent %s", describe(sent))
		}
		s.deliver(many)
		none(t, s.taken()) // once
		s.heldFor(4, "resync.maxDeletes")
		s.allowDeletes()
		if sent := s.taken(); len(sent) != 4 {
			t.Fatalf("sent %s", describe(sent))
		}
		s.deliver(many)
		none(t, s.taken()) // some were held: that was all
		s.restart()
		s.allowDeletes()
		time.Sleep(10 * time.Minute)
		s.deliver(many)
		none(t, s.taken()) // too late
	})
}

func TestHeldDeletesKnowThePresentReason(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.deliver(specRequest(holds("u1", 1), holds("u2", 1), holds("u3", 1), holds("u4", 1)))
		s.heldFor(4, "/v1/synced")
		s.synced()
		none(t, s.taken())
		s.heldFor(4, "resync.maxDeletes")
	})
}
