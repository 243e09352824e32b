package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/queue"
)

func takeInt(int) (any, queue.Verdict) { return nil, queue.Take }

// start runs a queue of ints until the benchmark ends.
func start(b *testing.B) *queue.Queue[int] {
	q := queue.New[int](queue.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- q.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-done })
	return q
}

// BenchmarkCycle is one key's way through the queue, nobody waiting.
func BenchmarkCycle(b *testing.B) {
	q, ctx := start(b), context.Background()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		q.Add(i)
		for _, l := range q.Lease(ctx, 1, time.Minute, takeInt) {
			q.Claim(l.ID)
			q.Done(l.ID)
		}
	}
}

// BenchmarkHandOver is the way from Add to a caller that waits, with so many
// others that wait behind it.
func BenchmarkHandOver(b *testing.B) {
	for _, others := range []struct {
		name  string
		count int
	}{{"alone", 0}, {"1000 waiters", 1000}} {
		b.Run(others.name, func(b *testing.B) {
			q := start(b)
			got := make(chan string)
			for range others.count + 1 {
				go func() {
					for {
						leases := q.Lease(context.Background(), 1, time.Minute, takeInt)
						if leases == nil {
							return
						}
						got <- leases[0].ID
					}
				}()
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				q.Add(i)
				id := <-got
				q.Claim(id)
				q.Done(id)
			}
		})
	}
}

// BenchmarkLeftBacklog is a caller that searches 100,000 keys of others.
func BenchmarkLeftBacklog(b *testing.B) {
	q := start(b)
	for i := range 100_000 {
		q.Add(i)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	for b.Loop() {
		q.Lease(ctx, 1, time.Minute, func(int) (any, queue.Verdict) { return nil, queue.Leave })
	}
}
