package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// keptFrame is how large the buffer for frames may stay between commits.
const keptFrame = 64 << 10

// journal is how the committer writes.
type journal struct {
	frame []byte // a buffer
	write writeFunc
	sync  func(*os.File) error // tests put faults in the place of both

	past []resource.Revision // of the history, oldest first
}

func (j *journal) init() { j.write, j.sync = writeAt, datasync }

// append makes a batch durable as one frame, and then merges it into memory. An
// error has changed nothing, unless the store is broken by it.
func (s *Store) append(b *batch) error {
	s.memory.turn.Lock()
	defer s.memory.turn.Unlock()
	next := s.nextState(b)
	frame, err := encodeFrame(s.journal.buffer(b.over.size), &b.over.contents, &next)
	if err != nil {
		return err
	}
	s.journal.keep(frame)
	segment := s.memory.newer.segment
	if err := segment.append(frame, s.journal.write); err != nil {
		return s.writeError(err)
	}
	if err := s.confirm(next); err != nil {
		return s.distrust(err)
	}
	first := segment.empty()
	s.take(&b.over, frame, next)
	if first || s.memory.newer.large() {
		s.checkpoints.wake()
	}
	s.journal.remember(b.over.lines, next.Floor)
	s.sequence.raise(next.SequenceCeiling)
	return nil
}

// buffer has room for a frame of about that size.
func (j *journal) buffer(size int) []byte {
	return slices.Grow(j.frame[:0], size+size/8+1<<10)
}

// keep keeps a buffer for the next frame, unless it is a large one.
func (j *journal) keep(buffer []byte) {
	if cap(buffer) <= keptFrame {
		j.frame = buffer
	}
}

// confirm syncs what was written, if the option says so. A batch that reserves
// numbers needs a sync always: they are there for the power cut. So does then
// what comes before it.
func (s *Store) confirm(next state) error {
	reserves := next.HeadCeiling != s.memory.state.HeadCeiling || next.SequenceCeiling != s.memory.state.SequenceCeiling
	if !s.sync && !reserves {
		return nil
	}
	generations := s.memory.generations()
	if s.sync {
		generations = generations[len(generations)-1:]
	}
	for _, g := range generations {
		if err := s.journal.sync(g.segment.file); err != nil {
			return err
		}
	}
	return nil
}

// nextState is the state after the batch, with what it reserves on the way.
func (s *Store) nextState(b *batch) state {
	next := s.memory.state
	next.Head, next.Visible = b.over.head, b.over.visible
	next.Floor = s.journal.floor(b.over.lines, s.history, next.Floor)
	next.HeadCeiling = s.reserveHead(next.HeadCeiling, next.Head)
	next.SequenceCeiling = s.sequence.reserve(s.clock(), b.over.reserve)
	return next
}

// floor is that of the history with further entries, which keeps so many.
func (j *journal) floor(lines []logLine, keep int, before resource.Revision) resource.Revision {
	switch drop := len(j.past) + len(lines) - keep; {
	case drop <= 0:
		return before
	case drop <= len(j.past):
		return j.past[drop-1]
	default:
		return lines[drop-len(j.past)-1].revision
	}
}

// remember counts entries of the history, and forgets those up to its floor.
func (j *journal) remember(lines []logLine, floor resource.Revision) {
	for _, line := range lines {
		j.past = append(j.past, line.revision)
	}
	forgotten, found := slices.BinarySearch(j.past, floor)
	if found {
		forgotten++
	}
	j.past = j.past[forgotten:]
}

// headReserve is how many revisions a store without sync reserves at a time.
const headReserve = 1 << 20

func (s *Store) reserveHead(ceiling, head resource.Revision) resource.Revision {
	if s.sync {
		return 0
	}
	if head+headReserve/2 < ceiling {
		return ceiling
	}
	return head + headReserve
}

// distrust gives the store up: what was written may or may not be there after
// a power cut, and nothing may build on what a sync did not confirm.
func (s *Store) distrust(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = unconfirmedError(s.path, err)
		close(s.lost)
	}
	return s.broken
}

// unconfirmedError keeps the code of a full disk: some file systems find out at
// the sync.
func unconfirmedError(path string, err error) error {
	if errors.Is(err, errUnreadable) {
		return fmt.Errorf("store %s: %w; start the sidecar again, and if that does not help see to the disk, or put a backup in its place", path, err)
	}
	if isDiskFull(err) {
		return resource.Errorf(resource.DiskFull, "no space left for the store in %s: the disk did not confirm a commit; free space there or raise its limit, and start the sidecar again: %w", filepath.Dir(path), err)
	}
	return fmt.Errorf("write store %s: the disk did not confirm a commit; start the sidecar again: %w", path, err)
}

func (s *Store) brokenBy() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// writeError is what the writers of a failed commit are told.
func (s *Store) writeError(err error) error {
	if isDiskFull(err) {
		return diskFullError(s.path, err)
	}
	return fmt.Errorf("write store %s: %w", s.path, err)
}
