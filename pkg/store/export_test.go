package store

import (
	"context"
	"os"
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

// RecodeMeta decodes a Meta and encodes it again.
func RecodeMeta(key resource.Key, b []byte) ([]byte, error) {
	m, err := decodeMeta(key, b)
	if err != nil {
		return nil, err
	}
	return encodeMeta(m)
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
