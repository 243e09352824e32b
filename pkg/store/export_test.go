package store

import (
	"context"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// The insides that tests need: a clock to set, and faults to put in.

func (s *Store) SetClock(clock func() time.Time) { s.clock = clock }

// SetCommit puts commit in the place of bbolt's. Call it from inside an Update.
func (s *Store) SetCommit(commit func(*bbolt.Tx) error) { s.commitTx = commit }

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
		err := s.db.Update(fn)
		s.settled.advance(s.lastTx())
		return err
	})
}
