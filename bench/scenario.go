package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"
)

// scenario is one thing to measure, of one peer in one round.
type scenario struct {
	name     string
	bothWays bool // it needs statuses
	measure  func(ctx context.Context, o options, b *broker, p peer, results *table) error
}

func scenarios(o options) []scenario {
	all := []scenario{{name: "latency", measure: latency}, {name: "roundtrip", bothWays: true, measure: roundTrip}}
	for _, writers := range []int{1, 16} {
		all = append(all, scenario{name: "throughput", measure: func(ctx context.Context, o options, b *broker, p peer, results *table) error {
			return throughput(ctx, o, b, p, writers, results)
		}})
	}
	return all
}

const (
	warmUp = 50               // loops that are not counted: connections are made and caches filled
	answer = 10 * time.Second // the most that one thing may take
)

// keys is how many resources the loops go over.
const keys = 100

// latency is from the beginning of a write until the agent app has the spec.
func latency(ctx context.Context, o options, b *broker, p peer, results *table) error {
	return loops(ctx, o, b, p, func(pair pair, n int) (time.Duration, error) {
		began := time.Now()
		arrived, err := deliver(ctx, pair, n)
		took := time.Since(began)
		if err != nil {
			return 0, err
		}
		return took, pair.answer(ctx, arrived, nil)
	}, func(times []time.Duration) { results.addTimes("spec latency", b.kind, p.name, times) })
}

// roundTrip is from the beginning of a write until the source app has the
// status for it.
func roundTrip(ctx context.Context, o options, b *broker, p peer, results *table) error {
	return loops(ctx, o, b, p, func(pair pair, n int) (time.Duration, error) {
		began := time.Now()
		arrived, err := deliver(ctx, pair, n)
		if err != nil {
			return 0, err
		}
		answered := make(chan error, 1)
		go func() { answered <- pair.answer(ctx, arrived, statusOf(n)) }()
		if err := await1(ctx, pair.statuses(), arrived.id); err != nil {
			return 0, err
		}
		took := time.Since(began)
		return took, <-answered
	}, func(times []time.Duration) { results.addTimes("round trip", b.kind, p.name, times) })
}

func loops(ctx context.Context, o options, b *broker, p peer, once func(pair, int) (time.Duration, error), done func([]time.Duration)) error {
	pair, err := p.open(ctx, o, b)
	if err != nil {
		return err
	}
	defer pair.close()
	times := make([]time.Duration, 0, o.loops)
	for n := range warmUp + o.loops {
		took, err := once(pair, n)
		if err != nil {
			return err
		}
		if n >= warmUp {
			times = append(times, took)
		}
		time.Sleep(o.gap)
	}
	done(times)
	return nil
}

// deliver writes one spec and waits until the agent app has it. The write's own
// end is waited for beside it.
func deliver(ctx context.Context, pair pair, n int) (arrival, error) {
	id := fmt.Sprintf("dev-%d", n%keys)
	written := make(chan error, 1)
	go func() { written <- pair.put(ctx, id, int64(n+1), specOf(n)) }()
	select {
	case a := <-pair.specs():
		if a.id != id {
			return a, fmt.Errorf("%s came, and %s was written", a.id, id)
		}
		return a, <-written
	case <-ctx.Done():
		return arrival{}, ctx.Err()
	case <-time.After(answer):
		return arrival{}, fmt.Errorf("%s did not come", id)
	}
}

func await1(ctx context.Context, from <-chan arrival, id string) error {
	select {
	case a := <-from:
		if a.id != id {
			return fmt.Errorf("a status of %s came, and %s was due", a.id, id)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(answer):
		return fmt.Errorf("no status of %s came", id)
	}
}

// throughput is how many new resources a second writers in closed loops bring
// to the agent app, and what that costs.
func throughput(ctx context.Context, o options, b *broker, p peer, writers int, results *table) error {
	pair, err := p.open(ctx, o, b)
	if err != nil {
		return err
	}
	defer pair.close()
	before, err := usage(b, pair)
	if err != nil {
		return err
	}
	began := time.Now()
	failed := write(ctx, pair, writers, o.events)
	if err := takeAll(ctx, pair, o.events); err != nil {
		return err
	}
	took := time.Since(began)
	if err := <-failed; err != nil {
		return err
	}
	after, err := usage(b, pair)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("throughput, %d writers", writers)
	results.add(name+", events/s", b.kind, p.name, float64(o.events)/took.Seconds())
	for who, used := range after {
		results.add(name+", CPU µs/event of "+who, b.kind, p.name, float64((used-before[who]).Microseconds())/float64(o.events))
	}
	return nil
}

func write(ctx context.Context, pair pair, writers, events int) <-chan error {
	failed := make(chan error, 1)
	numbers := make(chan int)
	var group sync.WaitGroup
	var mu sync.Mutex
	var first error
	for range writers {
		group.Go(func() {
			for n := range numbers {
				if err := pair.put(ctx, fmt.Sprintf("new-%d", n), 1, specOf(n)); err != nil {
					mu.Lock()
					first = err
					mu.Unlock()
				}
			}
		})
	}
	go func() {
		for n := range events {
			numbers <- n
		}
		close(numbers)
		group.Wait()
		failed <- first
	}()
	return failed
}

// takeAll takes that many arrivals and has each answered, by as many workers as
// an app that is in a hurry would have.
func takeAll(ctx context.Context, pair pair, events int) error {
	const workers = 16
	arrived := make(chan arrival, events)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for a := range arrived {
				_ = pair.answer(ctx, a, nil) // a failure brings it again, which the count shows
			}
		})
	}
	defer group.Wait()
	defer close(arrived)
	for range events {
		select {
		case a := <-pair.specs():
			arrived <- a
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(answer):
			return fmt.Errorf("no more specs came")
		}
	}
	return nil
}

// usage is the CPU used so far, by who used it.
func usage(b *broker, pair pair) (map[string]time.Duration, error) {
	who := map[string]int{"apps": os.Getpid(), "broker": b.pid()}
	for name, pid := range pair.pids() {
		who[name] = pid
	}
	used := map[string]time.Duration{}
	for name, pid := range who {
		cpu, err := cpuOf(pid)
		if err != nil {
			return nil, err
		}
		used[name] = cpu
	}
	return used, nil
}
