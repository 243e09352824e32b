package event_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/bwmarrin/snowflake"

	"github.com/pillion-dev/pillion/pkg/event"
)

// sequence makes an id as a snowflake generator does.
func sequence(at time.Time, node, step int64) int64 {
	const epoch = 1288834974657 // docs/protocol.md, CloudEvent attributes
	return (at.UnixMilli()-epoch)<<22 | node<<12 | step
}

// The generator that SDK agents use makes ids that are newer than each other.
func TestSequenceOfGenerator(t *testing.T) {
	node, err := snowflake.NewNode(event.SequenceNode)
	if err != nil {
		t.Fatal(err)
	}
	last := int64(0)
	for range 1000 {
		id, err := event.ParseSequence(node.Generate().String())
		if err != nil {
			t.Fatal(err)
		}
		if newer, err := event.SequenceNewer(id, last); err != nil || !newer {
			t.Fatalf("%d after %d: %v, %v", id, last, newer, err)
		}
		last = id
	}
}

// Two statuses of one SDK agent, in the order in which it sent them.
func TestSequenceOfCaptures(t *testing.T) {
	first, err1 := event.ParseSequence(readCapture(t, "23").property("ce-sequenceid"))
	second, err2 := event.ParseSequence(readCapture(t, "26").property("ce-sequenceid"))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if newer, err := event.SequenceNewer(second, first); err != nil || !newer {
		t.Errorf("26 after 23: %v, %v", newer, err)
	}
	if newer, err := event.SequenceNewer(first, second); err != nil || newer {
		t.Errorf("23 after 26: %v, %v", newer, err)
	}
}

func TestSequenceNewer(t *testing.T) {
	now := time.UnixMilli(1763752180000)
	later := now.Add(time.Millisecond)
	for name, c := range map[string]struct {
		id, last int64
		newer    bool
		err      error
	}{
		"first":           {sequence(now, 1, 0), 0, true, nil},
		"same":            {sequence(now, 1, 5), sequence(now, 1, 5), false, nil},
		"step":            {sequence(now, 1, 6), sequence(now, 1, 5), true, nil},
		"step before":     {sequence(now, 1, 4), sequence(now, 1, 5), false, nil},
		"time over step":  {sequence(later, 1, 0), sequence(now, 1, 4095), true, nil},
		"time before":     {sequence(now, 1, 4095), sequence(later, 1, 0), false, nil},
		"other node":      {sequence(later, 2, 0), sequence(now, 1, 0), false, event.ErrSequenceNode},
		"first of other":  {sequence(later, 2, 0), 0, true, nil},
		"all of other":    {sequence(later, 2, 0), sequence(now, 2, 0), true, nil},
		"last of another": {sequence(later, 1, 0), sequence(now, 2, 0), false, event.ErrSequenceNode},
	} {
		newer, err := event.SequenceNewer(c.id, c.last)
		if newer != c.newer || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, %v", name, newer, err)
		}
	}
}

func FuzzParseSequence(f *testing.F) {
	for _, s := range []string{"2124218715284180992", "0", "-1", "", "9223372036854775808", "+1", "1e3", "01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := event.ParseSequence(s)
		if err != nil {
			return
		}
		again, err := event.ParseSequence(strconv.FormatInt(id, 10))
		if err != nil || again != id || id <= 0 {
			t.Errorf("%q is %d, then %d, %v", s, id, again, err)
		}
		if newer, _ := event.SequenceNewer(id, id); newer {
			t.Errorf("%d is newer than itself", id)
		}
	})
}

// FuzzSequenceNewer compares with the arithmetic of docs/protocol.md.
func FuzzSequenceNewer(f *testing.F) {
	f.Add(int64(2124218715284180992), int64(2124218715284180993))
	f.Add(int64(1), int64(0))
	f.Add(int64(1<<62), int64(1<<62+1<<12))
	f.Fuzz(func(t *testing.T, id, last int64) {
		if id <= 0 || last < 0 { // ParseSequence gives none
			return
		}
		newer, err := event.SequenceNewer(id, last)
		sameNode := id>>12&1023 == last>>12&1023
		want := last == 0 || sameNode && id > last // of one node, time and step are the number itself
		if newer != want || (err != nil) != (last != 0 && !sameNode) {
			t.Errorf("%d after %d: %v, %v", id, last, newer, err)
		}
	})
}
