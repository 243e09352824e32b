package queue_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/queue"
)

const minute = time.Minute

// story runs f in a bubble of fake time, with a running queue.
func story(t *testing.T, o queue.Options, f func(t *testing.T, q *queue.Queue[string])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q := queue.New[string](o)
		run(t, q)
		f(t, q)
	})
}

// run runs q until the test ends.
func run[K comparable](t *testing.T, q *queue.Queue[K]) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	synctest.Wait()
}

// pass lets time pass, and lets everything due by then happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// noWait is a context that makes Lease take what is ready and not wait.
func noWait(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	t.Cleanup(cancel)
	return ctx
}

func takeAny(string) (any, queue.Verdict) { return nil, queue.Take }

// take leases what is ready now, up to max, for a minute.
func take(t *testing.T, q *queue.Queue[string], max int) []queue.Lease[string] {
	t.Helper()
	return q.Lease(noWait(t), max, minute, takeAny)
}

// takeOne leases the one key that must be ready now.
func takeOne(t *testing.T, q *queue.Queue[string], key string, attempt int) queue.Lease[string] {
	t.Helper()
	got := take(t, q, 10)
	if len(got) != 1 || got[0].Key != key || got[0].Attempt != attempt {
		t.Fatalf("leased %+v, want only %s, attempt %d", got, key, attempt)
	}
	return got[0]
}

// claim leases and claims the one key that must be ready now.
func claim(t *testing.T, q *queue.Queue[string], key string, attempt int) string {
	t.Helper()
	l := takeOne(t, q, key, attempt)
	if _, ok := q.Claim(l.ID); !ok {
		t.Fatalf("%s cannot be claimed", key)
	}
	return l.ID
}

func wantNothing(t *testing.T, q *queue.Queue[string]) {
	t.Helper()
	if got := take(t, q, 10); len(got) != 0 {
		t.Fatalf("leased %+v, want nothing", got)
	}
}

// wantReadyAfter checks that key becomes ready after d and not before, and
// claims it.
func wantReadyAfter(t *testing.T, q *queue.Queue[string], d time.Duration, key string, attempt int) string {
	t.Helper()
	pass(d - 1)
	wantNothing(t, q)
	pass(1)
	return claim(t, q, key, attempt)
}

func wantEmpty(t *testing.T, q *queue.Queue[string]) {
	t.Helper()
	s := q.Stats()
	if s.Depth+s.InFlight+s.Retrying != 0 {
		t.Fatalf("the queue holds %+v, want nothing", s)
	}
}

func keys(leases []queue.Lease[string]) []string {
	var got []string
	for _, l := range leases {
		got = append(got, l.Key)
	}
	return got
}

func wantKeys(t *testing.T, leases []queue.Lease[string], want ...string) {
	t.Helper()
	if got := keys(leases); !slices.Equal(got, want) {
		t.Fatalf("leased %q, want %q", got, want)
	}
}
