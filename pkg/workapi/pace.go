package workapi

import (
	"context"
	"time"
)

// paceEvery is the least time between two looks of one watcher for changes. The
// first change after a rest is told at once. Under load several go out with one
// write, and many watchers are not woken for each change.
const paceEvery = 5 * time.Millisecond

// pace holds up a loop that would turn more often than every paceEvery.
type pace struct{ last time.Time }

// wait returns at once if the last turn is long enough ago; ctx ends it early
// with its error.
func (p *pace) wait(ctx context.Context) error {
	rest := paceEvery - time.Since(p.last)
	if rest > 0 {
		timer := time.NewTimer(rest)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
	}
	p.last = time.Now()
	return nil
}
