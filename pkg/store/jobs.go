package store

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// soonDelay is the longest that an UpdateSoon waits for an Update to go with.
const soonDelay = 5 * time.Millisecond

// job is one update that waits for the committer, or is being committed.
type job struct {
	fn    func(*Tx) error
	done  func(error) // called once, by whoever ends the job
	soon  bool
	since time.Time
	taken atomic.Bool // by the committer to run it, or by its caller to give up
}

// start claims the job for running; false if its caller has given up.
func (j *job) start() bool { return j.taken.CompareAndSwap(false, true) }

// cancel claims the job for its caller; false if it was started.
func (j *job) cancel() bool { return j.taken.CompareAndSwap(false, true) }

// jobs is the line before the committer: first come, first served. It is
// bounded by its callers: each Update in it is a goroutine that waits, and each
// UpdateSoon a mark that its caller has in hand.
type jobs struct {
	mu     sync.Mutex
	line   []*job
	urgent int // jobs in line that are not soon
	closed bool
	wake   chan struct{} // holds one when something was added
}

func (q *jobs) init() { q.wake = make(chan struct{}, 1) }

func (q *jobs) add(j *job) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return errClosed()
	}
	j.since = time.Now()
	q.line = append(q.line, j)
	switch {
	case !j.soon:
		q.urgent++ // its caller sees to it
	case len(q.line) == 1 || len(q.line) == maxUpdates:
		q.signal() // otherwise the first of them has woken the committer, or will
	}
	return nil
}

// hurries tells whether an Update waits.
func (q *jobs) hurries() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.urgent > 0
}

// waits tells whether anything does. What came behind an Update has woken
// nobody, and may have had no room in its commit.
func (q *jobs) waits() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.line) > 0
}

func errClosed() error {
	return resource.Errorf(resource.Unavailable, "the store is closed: the sidecar is shutting down")
}

// close refuses further jobs; what is in line is still committed. It returns
// false if it was closed before.
func (q *jobs) close() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	was := q.closed
	q.closed = true
	q.signal()
	return !was
}

func (q *jobs) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// pop takes the first job that nobody has given up; nil if there is none.
func (q *jobs) pop() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.line) > 0 {
		j := q.line[0]
		q.line[0] = nil
		q.line = q.line[1:]
		if !j.soon {
			q.urgent--
		}
		if j.start() {
			return j
		}
	}
	q.line = nil
	return nil
}

// wait returns true when it is time for a commit: there is an Update, an
// UpdateSoon has waited long enough, or patience (if not 0) has run out, which
// is asked for again with every signal. It returns false when the line is closed
// and empty.
func (q *jobs) wait(patience func() time.Duration) bool {
	for {
		due, delay, open := q.due()
		if due || !open {
			return due
		}
		select {
		case <-q.wake:
		case <-after(delay):
		case <-after(patience()):
			return true
		}
	}
}

// after is time.After, and never for 0. Timers that are not waited for are
// collected by the runtime.
func after(delay time.Duration) <-chan time.Time {
	if delay == 0 {
		return nil
	}
	return time.After(delay)
}

// due tells whether the committer has something to do now, or else in how long
// (0 = not before something comes), and whether the line is open.
func (q *jobs) due() (now bool, delay time.Duration, open bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.line) == 0 {
		return false, 0, !q.closed
	}
	delay = soonDelay - time.Since(q.line[0].since)
	return q.urgent > 0 || q.closed || delay <= 0 || len(q.line) >= maxUpdates, delay, true
}
