package queue

import "time"

// Stats is a queue at one moment.
type Stats struct {
	Depth    int // ready keys
	InFlight int // leased keys
	Retrying int // keys that wait for a time to come

	Oldest         time.Duration // for how long the oldest ready key has been ready
	Unfinished     time.Duration // sum of the ages of the leases that are out
	LongestRunning time.Duration // age of the oldest of them

	Adds    uint64 // times that a key became ready
	Retries uint64 // failures, and leases that lapsed
}

// Stats counts in constant time.
func (q *Queue[K]) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	s := Stats{
		Depth:    q.ready.len,
		InFlight: q.running.len,
		Retrying: len(q.entries) - q.ready.len - q.running.len,
		// Both terms may overflow with many leases and a long life; their
		// difference is right as long as it fits.
		Unfinished: time.Duration(q.running.len)*now.Sub(q.epoch) - q.startSum,
		Adds:       q.metrics.adds,
		Retries:    q.metrics.retries,
	}
	if e := q.ready.head(); e != nil {
		s.Oldest = now.Sub(e.since)
	}
	if e := q.running.head(); e != nil {
		s.LongestRunning = now.Sub(e.since)
	}
	return s
}
