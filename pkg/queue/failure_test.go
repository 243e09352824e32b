package queue_test

import (
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/queue"
)

// The least delay stands above the back-off and above whatever is added.
func TestFailureWithALeastDelay(t *testing.T) {
	o := queue.Options{RetryInitial: 10 * time.Second, RetryMax: 10 * time.Second}
	story(t, o, func(t *testing.T, q *queue.Queue[string]) {
		q.Add("a")
		q.Fail(claim(t, q, "a", 1), queue.Failure{AtLeast: minute})
		pass(time.Second)
		q.Add("a")
		q.AddAfter("a", time.Second)
		id := wantReadyAfter(t, q, 59*time.Second, "a", 2)

		q.Add("a") // while it is leased
		q.Fail(id, queue.Failure{AtLeast: minute})
		id = wantReadyAfter(t, q, minute, "a", 3)

		q.Fail(id, queue.Failure{AtLeast: time.Second}) // the back-off is longer
		id = wantReadyAfter(t, q, 10*time.Second, "a", 4)

		q.Fail(id, queue.Failure{After: 2 * time.Second, AtLeast: 3 * time.Second})
		id = wantReadyAfter(t, q, 3*time.Second, "a", 5)
		q.Done(id)
		q.Add("a") // that is over
		takeOne(t, q, "a", 1)
	})
}

func TestExcusedFailuresAreCountedApart(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		failure := func(attempt, excused int, f queue.Failure) {
			t.Helper()
			pass(minute)
			l := takeOne(t, q, "a", attempt)
			if l.Excused != excused {
				t.Fatalf("%d of %d failures excused, want %d", l.Excused, attempt-1, excused)
			}
			q.Claim(l.ID)
			q.Fail(l.ID, f)
		}
		q.Add("a")
		failure(1, 0, queue.Failure{Excused: true})
		failure(2, 1, queue.Failure{})
		failure(3, 1, queue.Failure{Excused: true})
		pass(minute)
		q.Later(claim(t, q, "a", 4), time.Second)
		pass(time.Second)
		if l := takeOne(t, q, "a", 1); l.Excused != 0 {
			t.Fatalf("%d failures excused after a success", l.Excused)
		}
	})
}
