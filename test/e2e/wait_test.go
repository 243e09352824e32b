//go:build e2e

package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// patience is how long a story waits for one thing. Nearly all happens at once;
// what a broker took and lost is sent again after 30 seconds
// (docs/architecture.md, Outbox), and the machine may be busy.
const patience = 90 * time.Second

// eventually looks until check returns nil, and fails the test with its last
// error once the time is over. It returns how long that took.
func eventually(t testing.TB, within time.Duration, what string, check func() error) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		err := check()
		if err == nil {
			return time.Since(began)
		}
		if time.Since(began) > within {
			t.Fatalf("not in %s: %s: %v", within, what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// expect makes an error of what does not hold.
func expect(holds bool, format string, args ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// median of what was measured; it must not be empty.
func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2]
}

// Ports that listeners get: below the range that the kernel gives to outgoing
// connections, so that a broker finds its port free when it starts again.
const (
	firstPort = 15000
	lastPort  = 30000
)

var ports = struct {
	sync.Mutex
	given map[int]bool
}{given: map[int]bool{}}

// freeAddr is a loopback address that nobody listens on, given once.
func freeAddr(t testing.TB) string {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		if ports.given[port] {
			continue
		}
		ports.given[port] = true
		if listener, err := net.Listen("tcp", addr); err == nil {
			_ = listener.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

// round makes times readable.
func round(times []time.Duration) []time.Duration {
	rounded := make([]time.Duration, len(times))
	for i, d := range times {
		rounded[i] = d.Round(time.Millisecond)
	}
	return rounded
}

// span is the shortest and the longest.
func span(times []time.Duration) string {
	r := round(times)
	return fmt.Sprintf("%s and %s", slices.Min(r), slices.Max(r))
}
