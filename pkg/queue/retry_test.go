package queue_test

import (
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/queue"
)

func TestRetriesWaitLongerEachTime(t *testing.T) {
	o := queue.Options{RetryInitial: 10 * time.Millisecond, RetryMax: 50 * time.Millisecond}
	story(t, o, func(t *testing.T, q *queue.Queue[string]) {
		q.Add("a")
		id := claim(t, q, "a", 1)
		for i, wait := range []time.Duration{10, 20, 40, 50, 50} {
			q.Retry(id, 0)
			id = wantReadyAfter(t, q, wait*time.Millisecond, "a", i+2)
		}
		q.Done(id)
		q.Add("a")
		q.Retry(claim(t, q, "a", 1), 0)
		wantReadyAfter(t, q, 10*time.Millisecond, "a", 2)
	})
}

func TestRetryDefaultsAreThoseOfControllers(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		q.Add("a")
		id := claim(t, q, "a", 1)
		for i := range 18 { // 5 ms doubled 17 times is 655 s
			q.Retry(id, 0)
			id = wantReadyAfter(t, q, 5*time.Millisecond<<i, "a", i+2)
		}
		for i := range 100 { // and then no more than 1000 s, however often
			q.Retry(id, 0)
			id = wantReadyAfter(t, q, 1000*time.Second, "a", i+20)
		}
	})
}

func TestRetryAfterATimeThatWasAskedFor(t *testing.T) {
	o := queue.Options{RetryInitial: time.Second, QPS: 0.001, Burst: 1}
	story(t, o, func(t *testing.T, q *queue.Queue[string]) {
		q.Add("a")
		id := claim(t, q, "a", 1)
		for i := range 3 { // neither the key's back-off nor the rate counts
			q.Retry(id, 7*time.Millisecond)
			id = wantReadyAfter(t, q, 7*time.Millisecond, "a", i+2)
		}
		q.Retry(id, 0) // but the failures do
		wantReadyAfter(t, q, 8*time.Second, "a", 5)
	})
}

func TestRetriesOfAllKeysShareARate(t *testing.T) {
	o := queue.Options{RetryInitial: time.Millisecond, QPS: 2, Burst: 3}
	story(t, o, func(t *testing.T, q *queue.Queue[string]) {
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			q.Add(key)
		}
		for _, l := range take(t, q, 5) {
			q.Claim(l.ID)
			q.Retry(l.ID, 0)
		}
		pass(time.Millisecond)
		if got := q.Stats(); got.Depth != 3 || got.Retrying != 2 {
			t.Fatalf("after the burst: %+v", got)
		}
		take(t, q, 3)
		pass(499 * time.Millisecond)
		wantKeys(t, take(t, q, 5), "d")
		pass(500 * time.Millisecond)
		wantKeys(t, take(t, q, 5), "e")
	})
}

func TestSetOptionsChangesTheRate(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		q.SetOptions(queue.Options{QPS: 0.5, Burst: 2})
		pass(time.Hour)
		for _, key := range []string{"a", "b", "c"} {
			q.Add(key)
		}
		for _, l := range take(t, q, 3) {
			q.Claim(l.ID)
			q.Retry(l.ID, 0)
		}
		pass(2*time.Second - 1)
		wantKeys(t, take(t, q, 3), "a", "b")
		pass(1)
		wantKeys(t, take(t, q, 3), "c")
	})
}

func TestSetOptionsChangesTheNextRetry(t *testing.T) {
	story(t, queue.Options{Name: "q"}, func(t *testing.T, q *queue.Queue[string]) {
		q.Add("a")
		q.Add("b")
		q.SetOptions(queue.Options{RetryInitial: minute, QPS: 1, Burst: 1})
		for _, l := range take(t, q, 2) {
			q.Claim(l.ID)
			q.Retry(l.ID, 0)
		}
		q.SetOptions(queue.Options{RetryInitial: time.Nanosecond}) // does not shorten a wait
		pass(minute - 1)
		wantNothing(t, q)
		pass(1)
		got := take(t, q, 2)
		if len(got) != 2 {
			t.Fatalf("leased %+v", got)
		}
		q.Claim(got[0].ID)
		q.Retry(got[0].ID, 0)
		pass(2)
		wantKeys(t, take(t, q, 1), got[0].Key)
	})
}

func TestHugeRetrySettingsDoNotOverflow(t *testing.T) {
	const most = time.Duration(1<<63 - 1)
	story(t, queue.Options{RetryInitial: most/2 + 1, RetryMax: most}, func(t *testing.T, q *queue.Queue[string]) {
		q.Add("a")
		q.Retry(claim(t, q, "a", 1), 1)
		pass(1)
		q.Retry(claim(t, q, "a", 2), 0)
		pass(time.Hour)
		wantNothing(t, q)
		if q.Stats().Retrying != 1 {
			t.Fatal("the key is lost")
		}
	})
}
