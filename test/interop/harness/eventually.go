package harness

import (
	"testing"
	"time"
)

// Patience is how long a story waits for one thing. Nearly all happens at once;
// what a broker took and lost in a crash is sent again after 30 seconds
// (docs/architecture.md, Outbox), and the machine may be busy.
const Patience = 60 * time.Second

// pollEvery is the pace of looking again.
const pollEvery = 20 * time.Millisecond

// Eventually looks until check returns nil, and fails the test with its last
// error once the patience is over.
func Eventually(t testing.TB, patience time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not in %s: %s: %v", patience, what, err)
		}
		time.Sleep(pollEvery)
	}
}
