package store

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// segmentPrefix and a decimal number name the files of the journal.
const segmentPrefix = "sidecar.journal."

// A segment begins with a header: magic, number of its first frame, salt, and a
// checksum of these.
const segmentHeader = 8 + 8 + 8 + 4

var segmentMagic = []byte("sidecar\x01")

// segment is one file of the journal.
type segment struct {
	path   string
	number uint64
	file   *os.File

	salt  uint64
	frame uint64 // number of the next frame
	size  int64  // of header and whole frames; what follows is nothing
}

func segmentPath(dir string, number uint64) string {
	return filepath.Join(dir, segmentPrefix+strconv.FormatUint(number, 10))
}

// createSegment makes the file, so that a sync of its data alone makes frames
// in it durable. It has no header yet: until start it is no part of the
// journal, and whatever had its name was not either.
func createSegment(dir string, number uint64) (*segment, error) {
	path := segmentPath(dir, number)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make journal: %w", err)
	}
	g := &segment{path: path, number: number, file: file}
	if err := file.Sync(); err != nil {
		g.remove()
		return nil, fmt.Errorf("make journal: %w", err)
	}
	syncDir(dir)
	return g, nil
}

// start writes the header, which the sync of the first frame makes durable.
func (g *segment) start(frame uint64) error {
	salt := make([]byte, 8)
	_, _ = rand.Read(salt) // never fails
	b := slices.Concat(segmentMagic, binary.BigEndian.AppendUint64(nil, frame), salt)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	if _, err := g.file.WriteAt(b, 0); err != nil {
		return fmt.Errorf("begin journal: %w", err)
	}
	g.salt, g.frame, g.size = binary.BigEndian.Uint64(salt), frame, segmentHeader
	return nil
}

// empty tells whether it has no frames.
func (g *segment) empty() bool { return g.size <= segmentHeader }

// append writes a frame, all of it or nothing.
func (g *segment) append(frame []byte, write writeFunc) error {
	sealFrame(frame, g.salt, g.frame)
	if err := write(g.file, frame, g.size); err != nil {
		// A rest of it could do no harm: it is no frame.
		_ = g.file.Truncate(g.size)
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// took counts a frame as written.
func (g *segment) took(frame []byte) {
	g.frame++
	g.size += int64(len(frame))
}

// writeFunc writes all of b at an offset.
type writeFunc func(f *os.File, b []byte, offset int64) error

func writeAt(f *os.File, b []byte, offset int64) error {
	_, err := f.WriteAt(b, offset)
	return err
}

// remove is best effort: what is left of a segment is not read again.
func (g *segment) remove() {
	_ = g.file.Close()
	_ = os.Remove(g.path)
}

// readSegment reads a segment's header and returns what follows. A segment that
// was never started is nil.
func readSegment(dir string, number uint64) (*segment, []byte, error) {
	g := &segment{path: segmentPath(dir, number), number: number}
	b, err := os.ReadFile(g.path)
	if err != nil {
		return nil, nil, err
	}
	header := b[:min(len(b), segmentHeader)]
	if len(bytes.Trim(header, "\x00")) == 0 {
		return nil, nil, nil
	}
	if len(header) < segmentHeader || !bytes.HasPrefix(header, segmentMagic) ||
		binary.BigEndian.Uint32(header[24:]) != crc32.Checksum(header[:24], castagnoli) {
		return nil, nil, errLost
	}
	g.frame, g.salt = binary.BigEndian.Uint64(header[8:]), binary.BigEndian.Uint64(header[16:])
	return g, b[segmentHeader:], nil
}

// segmentNumbers are those of the files of the journal, in order.
func segmentNumbers(dir string) (numbers []uint64, err error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, ok := strings.CutPrefix(file.Name(), segmentPrefix)
		if !ok {
			continue
		}
		// What is named otherwise is not ours.
		if number, err := strconv.ParseUint(text, 10, 64); err == nil && strconv.FormatUint(number, 10) == text {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}
