package queue_test

import (
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/queue"
)

func TestALapsedLeaseMakesItsKeyReadyAtOnce(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		q.Add("a")
		first := takeOne(t, q, "a", 1)
		pass(minute - 1)
		wantNothing(t, q)
		pass(1)
		if _, ok := q.Claim(first.ID); ok {
			t.Fatal("a lapsed lease was claimed")
		}
		second := claim(t, q, "a", 2)
		if second == first.ID {
			t.Fatal("two leases have the same id")
		}
		q.Done(second)
		wantEmpty(t, q)
	})
}

func TestOnlyOneCanAnswer(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		q.Add("a")
		id := claim(t, q, "a", 1)
		for _, wrong := range []string{id, "", "unknown"} {
			if _, ok := q.Claim(wrong); ok {
				t.Errorf("%q was claimed", wrong)
			}
		}
		q.Done(id)
		if _, ok := q.Claim(id); ok {
			t.Error("an answered lease was claimed")
		}
	})
}

func TestAClaimShowsTheLease(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		q.Add("a")
		l := q.Lease(noWait(t), 1, 7*time.Second, func(string) (any, queue.Verdict) { return "note", queue.Take })[0]
		want := queue.Lease[string]{ID: l.ID, Key: "a", Attempt: 1, Note: "note", For: 7 * time.Second}
		if l != want || len(l.ID) != 32 {
			t.Errorf("leased %+v", l)
		}
		if got, ok := q.Claim(l.ID); !ok || got != want {
			t.Errorf("claimed %+v, %v", got, ok)
		}
	})
}

func TestAnswersWithoutAClaimDoNothing(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		q.Add("a")
		l := takeOne(t, q, "a", 1)
		for _, id := range []string{l.ID, "unknown"} {
			q.Done(id)
			q.Retry(id, 0)
			q.Later(id, 0)
			q.Extend(id, time.Hour)
			q.Unclaim(id)
		}
		wantNothing(t, q)
		pass(minute) // lapses, as if nothing had been said
		takeOne(t, q, "a", 2)
	})
}

func TestAClaimDoesNotLapse(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		q.Add("a")
		id := claim(t, q, "a", 1)
		pass(time.Hour)
		wantNothing(t, q)
		q.Done(id)
		wantEmpty(t, q)
	})
}

func TestUnclaimLetsTheLeaseGoOn(t *testing.T) {
	for name, held := range map[string]time.Duration{"in time": 20 * time.Second, "too late": time.Hour} {
		t.Run(name, func(t *testing.T) {
			story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
				q.Add("a")
				id := claim(t, q, "a", 1)
				pass(held)
				q.Unclaim(id)
				if held < minute {
					pass(minute - held - 1)
					wantNothing(t, q)
				}
				pass(1)
				takeOne(t, q, "a", 2)
			})
		})
	}
}

func TestAnUnclaimedLeaseCanBeAnswered(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		q.Add("a")
		id := claim(t, q, "a", 1)
		q.Unclaim(id)
		if _, ok := q.Claim(id); !ok {
			t.Fatal("it cannot be claimed again")
		}
		q.Done(id)
		wantEmpty(t, q)
	})
}

func TestExtend(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		q.Add("a")
		id := claim(t, q, "a", 1)
		pass(50 * time.Second)
		q.Extend(id, 2*minute)
		pass(2*minute - 1)
		wantNothing(t, q)
		l, ok := q.Claim(id)
		if !ok || l.For != 2*minute || l.Attempt != 1 {
			t.Fatalf("claimed %+v, %v", l, ok)
		}
		q.Extend(id, time.Second)
		pass(time.Second)
		takeOne(t, q, "a", 2)
	})
}

func TestReturnIsNoFailure(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		q.Add("a")
		q.Add("b")
		q.Add("claimed")
		leases := take(t, q, 3)
		q.Claim(leases[2].ID)
		q.Return(leases[1].ID, "unknown", leases[0].ID, leases[2].ID)
		for _, l := range leases[:2] {
			if _, ok := q.Claim(l.ID); ok {
				t.Error("a returned lease was claimed")
			}
		}
		again := take(t, q, 3)
		wantKeys(t, again, "b", "a")
		if again[0].Attempt != 1 {
			t.Errorf("returning counted as a failure: %+v", again[0])
		}
	})
}

func TestLaterForgetsFailures(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		q.Add("a")
		q.Retry(claim(t, q, "a", 1), time.Second)
		id := wantReadyAfter(t, q, time.Second, "a", 2)
		q.Later(id, minute)
		id = wantReadyAfter(t, q, minute, "a", 1)
		q.Later(id, 0)
		q.Done(claim(t, q, "a", 1))
		wantEmpty(t, q)
	})
}

// Who comes second waits until it is known whether the lease goes on.
func TestBusyEndsWithTheClaim(t *testing.T) {
	isClosed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	for name, end := range map[string]func(q *queue.Queue[string], id string){
		"done":    func(q *queue.Queue[string], id string) { q.Done(id) },
		"extend":  func(q *queue.Queue[string], id string) { q.Extend(id, time.Hour) },
		"unclaim": func(q *queue.Queue[string], id string) { q.Unclaim(id) },
		"failed":  func(q *queue.Queue[string], id string) { q.Retry(id, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
				q.Add("a")
				id := takeOne(t, q, "a", 1).ID
				if q.Busy("unknown") != nil || !isClosed(q.Busy(id)) {
					t.Fatal("a lease that is not claimed is busy")
				}
				q.Claim(id)
				busy := q.Busy(id)
				if isClosed(busy) {
					t.Fatal("a claimed lease is not busy")
				}
				end(q, id)
				if !isClosed(busy) {
					t.Fatal("still busy")
				}
			})
		})
	}
}
