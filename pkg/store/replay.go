package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
)

// replayed is what the journal has beside the file.
type replayed struct {
	contents
	numbers []uint64 // of all segments; none is needed once the contents are in the file
	next    uint64   // a number above them
	lost    bool     // there must have been a segment, and there is none
}

// replay reads what the journal has beside the file into index and state. It
// changes no file. Of a lossy journal the end may be missing in any way, since
// a power cut may have come before it was on disk.
func (s *Store) replay(isNew, lossy bool) (*replayed, error) {
	dir := filepath.Dir(s.path)
	numbers, err := segmentNumbers(dir)
	if err != nil {
		return nil, err
	}
	r := &replayed{numbers: numbers, next: max(s.memory.state.Segment, 1), lost: !isNew && !s.memory.state.Clean}
	if len(numbers) == 0 {
		return r, nil
	}
	last := numbers[len(numbers)-1]
	r.next = max(r.next, last+1)
	if isNew {
		return nil, fmt.Errorf("%w: %s", errStray, segmentPath(dir, last))
	}
	for _, number := range numbers {
		err := s.play(r, dir, number)
		if lossy && errors.Is(err, errLost) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: journal %s", err, segmentPath(dir, number))
		}
	}
	return r, nil
}

// errLost is what a power cut can do to a journal without sync, and nothing but
// damage to any other.
var errLost = fmt.Errorf("%w: commits are missing", errDamaged)

// play replays a segment that is not in the file, and must go on where the one
// before it, or the file, ends.
func (s *Store) play(r *replayed, dir string, number uint64) error {
	st := &s.memory.state
	g, b, err := readSegment(dir, number, st.Identity)
	switch {
	case err != nil:
		return err
	case number < st.Segment:
		return nil // it is in the file
	case number != st.Segment:
		return errLost
	case g == nil: // the end came before its first commit
		st.Segment = number + 1
		return nil
	}
	r.lost = false
	if beginsOtherwise(b, g.salt, st.Frame) {
		return errLost
	}
	g.frame = st.Frame
	rest, err := s.playFrames(r, g, b)
	if err != nil {
		return err
	}
	st.Segment, st.Frame = number+1, g.frame
	if laterFrame(rest, g.salt, g.frame) {
		return errLost
	}
	return nil
}

// playFrames returns what follows the last whole frame: nothing, or the
// beginning of a commit that was never answered.
func (s *Store) playFrames(r *replayed, g *segment, b []byte) (rest []byte, err error) {
	for {
		body, rest, ok := cutFrame(b, g.salt, g.frame)
		if !ok {
			return b, nil
		}
		c, err := decodeFrame(body, &s.memory.state)
		if err != nil {
			return nil, fmt.Errorf("%w: frame %d: %w", errDamaged, g.frame, err)
		}
		if err := s.apply(&c); err != nil {
			return nil, fmt.Errorf("%w: frame %d: %w", errDamaged, g.frame, err)
		}
		r.contents.merge(&c)
		g.frame++
		b = rest
	}
}

// apply brings the index up to date.
func (s *Store) apply(c *contents) error {
	for key, st := range c.records {
		if len(st.encoded) == 0 {
			s.index.remove(key)
			continue
		}
		m, err := decodeMeta(s.index.intern(key), st.encoded)
		if err != nil {
			return err
		}
		st.meta = m
		s.index.put(m)
	}
	for name, value := range c.settings {
		s.index.set(name, value)
	}
	s.journal.remember(c.lines, s.memory.state.Floor)
	return nil
}

// beginsOtherwise tells whether the first frame of a segment is whole, and not
// that which follows the segment before: of that one the end is missing.
func beginsOtherwise(b []byte, salt, frame uint64) bool {
	if len(b) < frameHeader {
		return false
	}
	number := binary.BigEndian.Uint64(b)
	_, _, whole := cutFrame(b, salt, number)
	return whole && number != frame
}

// laterFrame looks for a frame behind one that is bad. Frames are written one
// after the other, so the bad one was whole once.
func laterFrame(b []byte, salt, bad uint64) bool {
	most := bad + uint64(len(b)/frameHeader) // no more frames have room
	for ; len(b) >= frameHeader; b = b[1:] {
		number := binary.BigEndian.Uint64(b)
		if number <= bad || number > most {
			continue
		}
		if _, _, ok := cutFrame(b, salt, number); ok {
			return true
		}
	}
	return false
}
