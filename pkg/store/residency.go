package store

import (
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// The file is mapped, and each page that was once looked at counts as memory of
// the process until the kernel needs it elsewhere: a small store would show up
// with the size of its whole file. So the mapping is let go after so many
// records, and when nothing was read or written for so long. The pages stay in
// the kernel's cache; to look at one again costs less than a microsecond.
const (
	residentRecords = 256
	residentTime    = 500 * time.Millisecond

	// residentInScan is after how many records one that reads many lets go.
	residentInScan = 1024
)

// residency counts what was looked at since the mapping was let go.
type residency struct {
	mu      sync.Mutex
	limit   int
	records int
	timer   *time.Timer
	closed  bool
}

func (r *residency) init() { r.limit = residentRecords }

// touched counts records that were read or written.
func (s *Store) touched(records int) {
	if s.resident.add(records, s.letGo) {
		s.letGo()
	}
}

// add tells whether the limit was passed. Below it, it has later called.
func (r *residency) add(records int, later func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || records == 0 {
		return false
	}
	if r.timer == nil {
		r.timer = time.AfterFunc(residentTime, later)
	}
	r.records += records
	return r.records >= r.limit
}

// letGo gives the mapped pages back to the kernel.
func (s *Store) letGo() {
	s.resident.reset()
	tx, err := s.begin()
	if err != nil {
		return // closed or broken
	}
	s.dropPagesOf(tx)
	_ = tx.Rollback()
}

// dropPagesOf is letGo for who holds a transaction and goes on with it: another
// one could wait for it.
func (s *Store) dropPagesOf(tx *bbolt.Tx) { dropPages(s.db.Info().Data, tx.Size()) }

func (r *residency) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = 0
	r.stop()
}

// close ends the timer. A letGo that has begun finds the file closed, or makes
// its Close wait.
func (r *residency) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.stop()
}

func (r *residency) stop() {
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
}
