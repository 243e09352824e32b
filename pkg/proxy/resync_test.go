package proxy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/transport"
)

// A source that holds no status lists an empty hash.
func TestAgentSendsAStatusThatTheSourceLacks(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		s.deliver(specOf("a", 1, `{}`))
		s.answerLease(s.leaseOne(), resource.WorkResult{Status: []byte(`{"ok":true}`)})
		one(t, s.taken())
		s.get("a")
		s.deliver(statusRequest("a", ""))
		if e := one(t, s.taken()); e.Type.Action != event.ResyncResponse {
			t.Fatalf("answered %s", describe([]*event.Event{e}))
		}
	})
}

// A status that says the same of the next version has the same hash: had it
// been lost, nobody would send it again.
func TestSourceAsksForAStatusThatLags(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		asked := func(within time.Duration) (blank, full int) {
			s.requests()
			time.Sleep(within)
			hash, _ := event.StatusHash([]byte(`{}`))
			for _, e := range s.requests() {
				switch string(e.Payload.Data) {
				case `{"statusHashes":[{"resourceID":"a","statusHash":""}]}`:
					blank++
				case fmt.Sprintf(`{"statusHashes":[{"resourceID":"a","statusHash":"%s"}]}`, hash):
					full++
				default:
					t.Fatalf("asked %s", e.Payload.Data)
				}
			}
			return blank, full
		}
		s.put("a", `{}`)
		s.deliver(statusOf("a", 1, `{}`))
		s.put("a", `{"n":2}`)
		s.cut(true)
		if blank, full := asked(time.Second); blank != 1 || full != 0 {
			t.Fatalf("at first: %d without the hash, %d with it", blank, full)
		}
		if blank, full := asked(3 * time.Hour); blank < 6 || blank > 9 || full < 100 {
			t.Fatalf("later: %d without the hash, %d with it", blank, full)
		}
		s.deliver(statusOf("a", 2, `{}`))
		if blank, full := asked(3 * time.Hour); blank != 0 || full < 100 {
			t.Fatalf("once observed: %d without the hash, %d with it", blank, full)
		}
	})
}

// A spec that is older than what is held, but was made later, comes from a
// source that has gone back: it hears soon what is held.
func TestAgentTellsASourceThatHasGoneBack(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		early := specOf("a", 4, `{"v":4}`)
		time.Sleep(time.Second)
		s.deliver(specOf("a", 5, `{"v":5}`))
		time.Sleep(24 * time.Hour)
		for s.requests(); len(s.requests()) == 0; time.Sleep(time.Minute) {
		} // the next one is hours away
		s.deliver(early)
		time.Sleep(30 * time.Minute)
		none(t, s.requests())
		s.deliver(specOf("a", 2, `{"v":2}`))
		time.Sleep(7 * time.Minute)
		if n := len(s.requests()); n == 0 {
			t.Fatal("asked nothing")
		}
	})
}

// A raise that is due is made once, however often its event is refused.
func TestRaiseIsMadeOnce(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.put("a", `{}`)
		s.deliver(statusOf("a", 1, deletedStatus))
		s.deliver(statusOf("a", 2, deletedStatus))
		s.answer(func(*event.Event) (transport.Receipt, error) {
			return transport.Receipt{}, &transport.RejectedError{Reason: 0x97, Message: "quota exceeded"}
		})
		time.Sleep(30 * time.Minute)
		if res := s.get("a"); res.Version != 3 {
			t.Fatalf("version %d, want 3: raised at once and once more after a minute", res.Version)
		}
	})
}

// The deletions that an app does not take from the queue are not kept for ever.
func TestOldDeletionsAreForgotten(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.put("a", `{}`)
		s.delete("a", false)
		s.deliver(statusOf("a", 1, deletedStatus))
		s.close()
		time.Sleep(29 * 24 * time.Hour)
		s.open()
		if s.store.Meta(key("a")) == nil {
			t.Fatal("forgotten too early")
		}
		s.close()
		time.Sleep(2 * 24 * time.Hour)
		s.open()
		if s.store.Meta(key("a")) != nil {
			t.Fatal("remembered after 31 days")
		}
		s.idle()
	})
}
