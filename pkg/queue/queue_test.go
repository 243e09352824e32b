package queue_test

import (
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/queue"
)

func TestKeysComeInTheOrderInWhichTheyBecameReady(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		q.AddAfter("late", 2*time.Second)
		q.Add("a")
		q.Add("b")
		q.Add("a") // keeps its place, waits once
		pass(2 * time.Second)
		q.Add("c")
		wantKeys(t, take(t, q, 3), "a", "b", "late")
		wantKeys(t, take(t, q, 3), "c")
		wantNothing(t, q)
	})
}

func TestAddDuringALeaseBringsTheKeyBackAfterTheAnswer(t *testing.T) {
	answers := map[string]func(q *queue.Queue[string], id string){
		"done":  func(q *queue.Queue[string], id string) { q.Done(id) },
		"retry": func(q *queue.Queue[string], id string) { q.Retry(id, time.Hour) },
		"later": func(q *queue.Queue[string], id string) { q.Later(id, time.Hour) },
	}
	attempts := map[string]int{"done": 1, "retry": 2, "later": 1}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
				q.Add("a")
				id := claim(t, q, "a", 1)
				q.Add("a")
				wantNothing(t, q)
				answer(q, id)
				q.Done(claim(t, q, "a", attempts[name]))
				wantEmpty(t, q)
			})
		})
	}
}

func TestAddAfter(t *testing.T) {
	type Q = *queue.Queue[string]
	tests := map[string]struct {
		do   func(t *testing.T, q Q)
		want time.Duration // until the key is ready
	}{
		"a time to come":       {func(_ *testing.T, q Q) { q.AddAfter("a", minute) }, minute},
		"the earlier of two":   {func(_ *testing.T, q Q) { q.AddAfter("a", minute); q.AddAfter("a", time.Second) }, time.Second},
		"not the later of two": {func(_ *testing.T, q Q) { q.AddAfter("a", time.Second); q.AddAfter("a", minute) }, time.Second},
		"earlier than a retry": {func(t *testing.T, q Q) { q.Add("a"); q.Retry(claim(t, q, "a", 1), minute); q.AddAfter("a", 1) }, 1},
		"during a lease":       {func(t *testing.T, q Q) { q.Add("a"); id := claim(t, q, "a", 1); q.AddAfter("a", minute); q.Done(id) }, minute},
		"during a lease, earliest": {func(t *testing.T, q Q) {
			q.Add("a")
			id := claim(t, q, "a", 1)
			q.AddAfter("a", minute)
			q.Later(id, 9)
		}, 9},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
				test.do(t, q)
				pass(test.want - 1)
				wantNothing(t, q)
				pass(1)
				wantKeys(t, take(t, q, 1), "a")
			})
		})
	}
}

func TestAddEndsAWait(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		q.AddAfter("a", time.Hour)
		q.Add("a")
		q.Retry(claim(t, q, "a", 1), time.Hour)
		q.Add("a")
		q.Done(claim(t, q, "a", 2))
		pass(2 * time.Hour)
		wantEmpty(t, q)
	})
}

func TestAddAfterWithoutAWaitIsAdd(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		q.AddAfter("a", -time.Second)
		q.AddAfter("b", 0)
		wantKeys(t, take(t, q, 2), "a", "b")
	})
}

func TestRemove(t *testing.T) {
	type Q = *queue.Queue[string]
	for name, arrange := range map[string]func(t *testing.T, q Q){
		"unknown":           func(*testing.T, Q) {},
		"ready":             func(_ *testing.T, q Q) { q.Add("a") },
		"waiting":           func(_ *testing.T, q Q) { q.AddAfter("a", time.Second) },
		"waiting for retry": func(t *testing.T, q Q) { q.Add("a"); q.Retry(claim(t, q, "a", 1), 0) },
	} {
		t.Run(name, func(t *testing.T) {
			story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
				arrange(t, q)
				q.Remove("a")
				wantEmpty(t, q)
				pass(minute)
				wantNothing(t, q)
				q.Add("a") // begins anew
				takeOne(t, q, "a", 1)
			})
		})
	}
}

func TestRemoveDuringALease(t *testing.T) {
	type Q = *queue.Queue[string]
	tests := map[string]struct {
		end   func(q Q, id string)
		again bool
	}{
		"done":                {func(q Q, id string) { q.Claim(id); q.Done(id) }, false},
		"returned":            {func(q Q, id string) { q.Return(id) }, false},
		"lapsed":              {func(Q, string) { pass(minute) }, false},
		"failed":              {func(q Q, id string) { q.Claim(id); q.Retry(id, 1); pass(1) }, true},
		"added after":         {func(q Q, id string) { q.Add("a"); q.Claim(id); q.Done(id) }, true},
		"added after, lapsed": {func(q Q, _ string) { q.Add("a"); pass(minute) }, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
				q.Add("a")
				l := takeOne(t, q, "a", 1)
				q.Add("a")
				q.Remove("a")
				test.end(q, l.ID)
				if !test.again {
					wantEmpty(t, q)
					return
				}
				wantKeys(t, take(t, q, 2), "a")
			})
		})
	}
}

func TestKeysMayBeAnyComparable(t *testing.T) {
	type pair struct{ a, b int }
	q := queue.New[pair](queue.Options{})
	q.Add(pair{1, 2})
	q.Add(pair{1, 2})
	got := q.Lease(noWait(t), 9, minute, func(p pair) (any, queue.Verdict) { return p.b, queue.Take })
	if len(got) != 1 || got[0].Key != (pair{1, 2}) || got[0].Note != 2 {
		t.Fatalf("leased %+v", got)
	}
}
