package store

import (
	"context"
	"sync"
	"time"
)

// Sequence ids order the status events of an agent. They are snowflake ids:
// milliseconds since an epoch, 10 bits of node, 12 bits of step; the node is
// always 1 (docs/protocol.md, "CloudEvent attributes").
const (
	sequenceEpoch = 1288834974657 // Unix milliseconds
	sequenceNode  = 1 << 12
	stepMask      = 1<<12 - 1
	timeShift     = 22

	// Reserved at a time: a minute of clock, or, for ids that are ahead of the
	// clock, one second's worth, so that restarts do not run away from it.
	reserveClock = time.Minute
	reserveAhead = 1000 << timeShift
)

// sequenceAt is the first id of a moment; a clock before the epoch is a machine
// that does not know the time.
func sequenceAt(t time.Time) int64 {
	return max(t.UnixMilli()-sequenceEpoch, 0)<<timeShift | sequenceNode
}

// successor is the next id whatever the clock says.
func successor(id int64) int64 {
	if id&stepMask == stepMask {
		return (id>>timeShift+1)<<timeShift | sequenceNode
	}
	return id + 1
}

// sequence gives out ids up to a ceiling that is on disk.
type sequence struct {
	mu      sync.Mutex
	last    int64
	ceiling int64
}

// restore goes on after all that can have been given out.
func (q *sequence) restore(ceiling int64) {
	q.last, q.ceiling = ceiling, ceiling
}

// next is a fresh id; false if more have to be reserved first.
func (q *sequence) next(now time.Time) (int64, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	id := sequenceAt(now)
	if id <= q.last {
		id = successor(q.last)
	}
	if id > q.ceiling {
		return 0, false
	}
	q.last = id
	return id, true
}

// reserve is the ceiling to write with the next commit: a new one if it is
// asked for or if half of the reserve is used up. A store whose ids nobody
// uses reserves none.
func (q *sequence) reserve(now time.Time, asked bool) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ceiling == 0 && !asked {
		return 0
	}
	used := max(q.last, sequenceAt(now))
	full := max(sequenceAt(now.Add(reserveClock)), q.last+reserveAhead)
	if asked || q.ceiling-used < (full-used)/2 {
		return max(full, q.ceiling)
	}
	return q.ceiling
}

// raise takes over what is on disk.
func (q *sequence) raise(ceiling int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ceiling = max(q.ceiling, ceiling)
}

// giveBack ends the use of the reserve and returns the last id given out.
func (q *sequence) giveBack() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ceiling = q.last
	return q.last
}

// NextSequence is a fresh sequence id: above the clock and above all that were
// given out before, also by earlier runs. About once a minute it waits for a
// commit that reserves more, unless other commits have done so on their way.
// It must not be called from inside an update.
func (s *Store) NextSequence() (int64, error) {
	for {
		if id, ok := s.sequence.next(s.clock()); ok {
			return id, nil
		}
		err := s.Update(context.Background(), func(tx *Tx) error {
			tx.over.reserve = true
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
}
