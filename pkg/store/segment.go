package store

import (
	"bytes"
	"cmp"
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

// A segment begins with a header: magic, identity of the store, salt, and a
// checksum of these.
const segmentHeader = 8 + 8 + 8 + 4

var segmentMagic = []byte("sidecar\x01")

// segment is one file of the journal.
type segment struct {
	path     string
	number   uint64
	identity uint64 // of the store
	salt     uint64
	file     *os.File

	frame uint64 // number of the next frame
	size  int64  // of header and whole frames; what follows is nothing
}

func segmentPath(dir string, number uint64) string {
	return filepath.Join(dir, segmentPrefix+strconv.FormatUint(number, 10))
}

// createSegment makes the file, header and name of which are durable when it
// returns: a sync of its data alone makes frames durable then. Whatever had its
// name before was never part of the journal.
func createSegment(dir string, number, identity uint64) (*segment, error) {
	path := segmentPath(dir, number)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make journal: %w", err)
	}
	g := &segment{path: path, number: number, identity: identity, salt: randomNumber(), file: file, size: segmentHeader}
	_, err = file.Write(encodeHeader(identity, g.salt))
	if err := cmp.Or(err, file.Sync(), syncDir(dir)); err != nil {
		g.remove()
		return nil, fmt.Errorf("make journal: %w", err)
	}
	return g, nil
}

func encodeHeader(identity, salt uint64) []byte {
	b := binary.BigEndian.AppendUint64(bytes.Clone(segmentMagic), identity)
	b = binary.BigEndian.AppendUint64(b, salt)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func randomNumber() uint64 {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	return binary.BigEndian.Uint64(b)
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
// was not yet in use is nil: its header is durable before its first frame.
func readSegment(dir string, number, identity uint64) (*segment, []byte, error) {
	g := &segment{path: segmentPath(dir, number), number: number}
	b, err := os.ReadFile(g.path)
	if err != nil {
		return nil, nil, err
	}
	if len(b) < segmentHeader || len(bytes.Trim(b, "\x00")) == 0 {
		return nil, nil, nil
	}
	g.salt = binary.BigEndian.Uint64(b[16:])
	switch found := binary.BigEndian.Uint64(b[8:]); {
	case !bytes.HasPrefix(b, encodeHeader(found, g.salt)):
		return nil, nil, fmt.Errorf("%w: its header", errDamaged)
	case found != identity:
		return nil, nil, errStray
	}
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
