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
