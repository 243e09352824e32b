package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestGarbagePercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 100, 1 << 20: 100, 8 << 20: 75, 100 << 20: 40} {
		if got := garbagePercent(live); got != want {
			t.Errorf("with %d bytes in use it is %d, want %d", live, got, want)
		}
	}
}

// The percentage follows the heap as it grows and shrinks.
func TestTheCollectorIsTuned(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	saveMemory()
	becomes := func(what string, ok func(percent uint64) bool) {
		t.Helper()
		set := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			runtime.GC()
			metrics.Read(set)
			if ok(set[0].Value.Uint64()) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("with a %s heap it is %d", what, set[0].Value.Uint64())
			}
		}
	}
	large := make([]byte, 64<<20)
	becomes("large", func(percent uint64) bool { return percent == leastPercent })
	runtime.KeepAlive(large)
	becomes("small", func(percent uint64) bool { return percent > leastPercent })
}
