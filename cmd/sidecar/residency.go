package main

import (
	"context"
	"os"
	"runtime/debug"
	"time"
)

// saveMemory trades time for memory: of garbage less than half of what is in use is
// kept, not as much again. Who sets GOGC has decided otherwise.
func saveMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(40)
	}
}

// startTime is how long a start takes at most, connecting included.
const startTime = 3 * time.Second

// forgetStartLater forgets the start once it is over.
func forgetStartLater(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-time.After(startTime):
		forgetStart()
	}
	return nil
}
