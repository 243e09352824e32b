package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How much garbage is kept until the next collection: keptGarbage, but no less
// than leastPercent of what is in use, and no more than as much again, which is
// Go's default. So a small heap is not collected all the time, which would be a
// sixth of the time of a put, and a large one is not twice its size.
const (
	keptGarbage  = 6 << 20 // bytes
	leastPercent = 40
	mostPercent  = 100
)

// saveMemory sets how much garbage is kept, now and after each collection. Who
// sets GOGC has decided otherwise.
func saveMemory() {
	if os.Getenv("GOGC") == "" {
		tuneCollector(0)
	}
}

// tuneCollector gets the percentage that is set at present, and is called again
// when the next collection takes an object that nobody holds.
func tuneCollector(present int) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	percent := garbagePercent(live[0].Value.Uint64())
	if percent != present {
		debug.SetGCPercent(percent)
	}
	runtime.AddCleanup(new([64]byte), tuneCollector, percent)
}

// garbagePercent is that of a heap of which so many bytes are in use.
func garbagePercent(live uint64) int {
	percent := keptGarbage * 100 / max(live, 1)
	return int(min(max(percent, leastPercent), mostPercent))
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
