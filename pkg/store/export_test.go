package store

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// The insides that tests need: a clock to set, and faults to put in.

func (s *Store) SetClock(clock func() time.Time) { s.clock = clock }

// SetWrite puts write around the writing of frames, SetSync sync around the sync
// of the journal, and SetCheckpoint commit in the place of bbolt's. Call the
// first two from inside an Update.
func (s *Store) SetWrite(write func(do func() error) error) {
	s.journal.write = func(f *os.File, b []byte, offset int64) error {
		return write(func() error { return writeAt(f, b, offset) })
	}
}

func (s *Store) SetSync(sync func(do func() error) error) {
	s.journal.sync = func(f *os.File) error {
		return sync(func() error { return datasync(f) })
	}
}

func (s *Store) SetCheckpoint(commit func(*bbolt.Tx) error) {
	s.checkpoints.mu.Lock()
	defer s.checkpoints.mu.Unlock()
	s.checkpoints.commit = commit
}

// SetMapping makes stores that are opened until the end of the test map so many
// bytes at first.
func SetMapping(t *testing.T, size int) {
	before := mmapSize
	mmapSize = size
	t.Cleanup(func() { mmapSize = before })
}

// SetFolderSync puts sync in the place of the sync of folders until the end of
// the test.
func SetFolderSync(t *testing.T, sync func(*os.File) error) {
	syncFolder = sync
	t.Cleanup(func() { syncFolder = (*os.File).Sync })
}

// SetResident makes the store let its mapping go after so many records.
func (s *Store) SetResident(records int) {
	s.resident.mu.Lock()
	defer s.resident.mu.Unlock()
	s.resident.limit = records
}

const MaxBytes = maxBytes

// UpdateBefore is Update, with something that comes between it and its commit.
func (s *Store) UpdateBefore(fn func(*Tx) error, between func()) {
	if err := s.jobs.add(&job{fn: fn, done: func(error) {}}); err != nil {
		panic(err)
	}
	between()
	s.commitOrWake()
}

// Checkpoint moves the journal into the file now.
func (s *Store) Checkpoint() error { return s.checkpoint() }

var (
	EncodeKey   = encodeKey
	DecodeKey   = decodeKey
	DecodeToken = decodeToken
)

const StepMask, TimeShift, SequenceNode, SequenceEpoch = stepMask, timeShift, sequenceNode, sequenceEpoch

// Recode decodes a history entry and encodes it again.
func Recode(name, value []byte) (newName, newValue []byte, err error) {
	l, err := decodeLine(name, value)
	if err != nil {
		return nil, nil, err
	}
	newValue, err = encodeLine(l)
	return encodeRevision(l.revision), newValue, err
}

// EncodeMeta encodes a Meta.
func EncodeMeta(m *Meta) []byte { return encodeMeta(m) }

// DecodeMeta decodes a Meta that must be good.
func DecodeMeta(t testing.TB, key resource.Key, b []byte) *Meta {
	t.Helper()
	m, err := decodeMeta(key, b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// RecodeMeta decodes a Meta and encodes it again.
func RecodeMeta(key resource.Key, b []byte) ([]byte, error) {
	m, err := decodeMeta(key, b)
	if err != nil {
		return nil, err
	}
	return encodeMeta(m), nil
}

// Tamper changes the file behind the store's back.
func (s *Store) Tamper(fn func(*bbolt.Tx) error) error {
	return s.Update(context.Background(), func(*Tx) error {
		if err := s.checkpoint(); err != nil {
			return err
		}
		return s.db.Update(fn)
	})
}

// PauseCheckpoints holds all checkpoints up until ResumeCheckpoints, or the end
// of the test. Update, Get and the like still work; Check waits.
func (s *Store) PauseCheckpoints(cleanup func(func())) {
	s.checkpoints.mu.Lock()
	paused.Store(s, true)
	cleanup(s.ResumeCheckpoints)
}

func (s *Store) ResumeCheckpoints() {
	if _, was := paused.LoadAndDelete(s); was {
		s.checkpoints.mu.Unlock()
	}
}

var paused sync.Map

// SampleFrame is the body of a frame with everything in it.
func SampleFrame() []byte {
	key := resource.Key{DataType: "a.b.c.d", Source: "s", Cluster: "c", ID: "i"}
	value, none := []byte("value"), []byte{}
	c := contents{}
	c.putRecord(key, &staged{encoded: []byte(`{"r":"1"}`), payloads: payloads{&value, nil, &none}})
	c.lines = []logLine{{7, Deleted, key, &LastSeen{Version: 3}}}
	c.set("set", value)
	c.set("removed", nil)
	frame, err := encodeFrame(nil, &c, &state{Head: 9, Visible: 7, SequenceCeiling: 1 << 60})
	if err != nil {
		panic(err)
	}
	return frame[frameHeader:]
}

// RecodeFrame decodes the body of a frame and encodes it again.
func RecodeFrame(body []byte) ([]byte, bool) {
	var st state
	c, err := decodeFrame(body, &st)
	if err != nil {
		return nil, false
	}
	frame, err := encodeFrame(nil, &c, &st)
	if err != nil {
		return nil, false
	}
	return frame[frameHeader:], true
}

// SampleJournal is what follows the header of a segment with salt 0, by frames.
func SampleJournal(frames int) (parts [][]byte) {
	for number := range uint64(frames) {
		frame := append(make([]byte, frameHeader), SampleFrame()...)
		sealFrame(frame, 0, number)
		parts = append(parts, frame)
	}
	return parts
}

// ScanJournal cuts frames off, tells how many there were, and looks for later
// ones behind them.
func ScanJournal(b []byte, number uint64) (frames int, later bool) {
	for {
		_, rest, ok := cutFrame(b, 0, number)
		if !ok {
			return frames, LaterFrame(b, number)
		}
		number, b, frames = number+1, rest, frames+1
	}
}

// LaterFrame tells whether there is a frame behind a bad one, with salt 0.
func LaterFrame(b []byte, bad uint64) bool { return laterFrame(b, 0, bad) }
