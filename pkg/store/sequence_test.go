package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/store"
)

// clock is a clock to set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock(s *store.Store) *clock {
	c := &clock{now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	s.SetClock(c.get)
	return c
}

func (c *clock) get() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// id is the first id of a moment.
func (c *clock) id() int64 {
	return (c.get().UnixMilli()-store.SequenceEpoch)<<store.TimeShift | store.SequenceNode
}

func sequence(t testing.TB, s *store.Store) int64 {
	t.Helper()
	id, err := s.NextSequence()
	if err != nil {
		t.Error(err)
	}
	return id
}

func TestSequenceIDsFollowTheClockAndCountWithinAMillisecond(t *testing.T) {
	s := open(t, t.TempDir())
	c := newClock(s)
	first := sequence(t, s)
	if first != c.id() {
		t.Errorf("first id is %d, want %d", first, c.id())
	}
	for i := range int64(store.StepMask) {
		if got := sequence(t, s); got != first+i+1 {
			t.Fatalf("id is %d, want %d", got, first+i+1)
		}
	}
	// All steps of the millisecond are used up: the next one is borrowed.
	if got, want := sequence(t, s), first+1<<store.TimeShift; got != want {
		t.Errorf("id is %d, want %d", got, want)
	}
	c.add(time.Second)
	if got := sequence(t, s); got != c.id() {
		t.Errorf("id is %d, want %d", got, c.id())
	}
	before := sequence(t, s)
	c.add(-time.Hour)
	if got := sequence(t, s); got != before+1 {
		t.Errorf("with the clock put back: id is %d, want %d", got, before+1)
	}
}

func TestAClockBeforeTheEpochGivesValidIDs(t *testing.T) {
	s := open(t, t.TempDir())
	s.SetClock(func() time.Time { return time.Unix(0, 0) })
	last := int64(0)
	for range 3 {
		id := sequence(t, s)
		if id <= last || id&(1<<store.TimeShift-1)&^store.StepMask != store.SequenceNode {
			t.Errorf("id %d after %d", id, last)
		}
		last = id
	}
}

func TestHardlyAnySequenceIDIsWritten(t *testing.T) {
	s := open(t, t.TempDir(), noSync)
	c := newClock(s)
	commits := 0
	failing(t, s, func(do func() error) error {
		commits++
		return do()
	})
	for range 600 {
		sequence(t, s)
		c.add(100 * time.Millisecond)
	}
	if commits > 2 {
		t.Errorf("a minute of ids took %d commits", commits)
	}
	commits = 0
	for range 600 {
		sequence(t, s)
		c.add(100 * time.Millisecond)
		put(t, s, key("a"), 1, "x")
	}
	if commits != 600 {
		t.Errorf("with other commits to go with, ids took %d of their own", commits-600)
	}
}

func TestSequenceIDsNeverGoBackOverARestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	c := newClock(s)
	last := sequence(t, s)
	closeStore(t, s)
	c.add(-time.Minute)

	s = open(t, dir)
	s.SetClock(c.get)
	if got := sequence(t, s); got != last+1 {
		t.Errorf("after a clean end: id is %d, want %d", got, last+1)
	}
	closeStore(t, s)

	// After an unclean end all that was reserved may have been given out.
	reserved := last + 1000<<store.TimeShift
	cutPower(t, dir)
	editState(t, dir, func(state map[string]any) { state["sequenceCeiling"] = reserved })
	s = open(t, dir)
	s.SetClock(c.get)
	if got := sequence(t, s); got != reserved+1 {
		t.Errorf("after an unclean end: id is %d, want %d", got, reserved+1)
	}
}

func TestManyTakeSequenceIDsAtOnce(t *testing.T) {
	s := open(t, t.TempDir(), noSync)
	var mu sync.Mutex
	seen := map[int64]bool{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			last := int64(0)
			for range 200 {
				id := sequence(t, s)
				if id <= last {
					t.Errorf("id %d came after %d", id, last)
				}
				last = id
				mu.Lock()
				if seen[id] {
					t.Errorf("id %d came twice", id)
				}
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
}
