package store

import (
	"bytes"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// begin opens a transaction of the file. If that fails because a page is missing,
// bbolt keeps its lock: nobody may begin another one then.
func (s *Store) begin() (tx *bbolt.Tx, err error) {
	if s.locked.Load() {
		return nil, s.brokenBy()
	}
	err = guard(func() error {
		tx, err = s.db.Begin(false)
		return err
	})
	if errors.Is(err, bbolterrors.ErrDatabaseNotOpen) {
		return nil, errClosed()
	}
	if errors.Is(err, errUnreadable) {
		err = s.distrust(err)
		s.locked.Store(true)
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("read store %s: %w", s.path, err)
	}
	return tx, nil
}

// view is what the journal and the file had at one moment. What the journal has
// goes over the file, so it does no harm if the file has it too.
type view struct {
	tx          *bbolt.Tx
	generations []*generation
}

// openView is for the committer only: nobody else may look into the generations
// without holding memory.mu.
func (s *Store) openView() (view, error) {
	m := &s.memory
	m.mu.RLock()
	defer m.mu.RUnlock()
	tx, err := s.begin()
	return view{tx, m.generations()}, err
}

func (v *view) changes(key resource.Key) payloads { return changesIn(v.generations, key) }

func (v *view) close() {
	if v.tx != nil {
		_ = v.tx.Rollback()
		v.tx = nil
	}
}

// fields are the payloads by kind.
func (r *Record) fields() [payloadKinds]*[]byte {
	return [payloadKinds]*[]byte{
		specPayload:         &r.Spec,
		metadataPayload:     &r.Metadata,
		statusPayload:       &r.Status,
		nextSpecPayload:     &r.NextSpec,
		nextMetadataPayload: &r.NextMetadata,
		localPayload:        &r.Local,
	}
}

func errNotFound(key resource.Key) error {
	return resource.Errorf(resource.NotFound, "there is no resource %s", key)
}

// Get is a record with its payloads, which must not be changed, tombstones
// included; resource.NotFound if there is none.
func (s *Store) Get(key resource.Key) (*Record, error) {
	s.memory.mu.RLock()
	m, changes := s.index.meta(key), s.memory.changes(key)
	tx, err := s.begin()
	s.memory.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	if m == nil {
		_ = tx.Rollback()
		return nil, errNotFound(key)
	}
	r, err := readRecord(tx, m, changes)
	_ = tx.Rollback() // before touched: one that waits for a remap must hold no other
	s.touched(1)
	return r, err
}

// readRecord gives the payloads of a record: those that have changed, and the
// others, copied out of the file.
func readRecord(tx *bbolt.Tx, m *Meta, changes payloads) (r *Record, err error) {
	err = guard(func() error {
		all := bucketsOf(tx)
		r = all.record(m, changes)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", m.Key, err)
	}
	return r, nil
}

// buckets are those of the payloads, found once for many records. Using them is
// to be guarded.
type buckets [payloadKinds]*bbolt.Bucket

func bucketsOf(tx *bbolt.Tx) (b buckets) {
	for kind, name := range payloadBuckets {
		b[kind] = tx.Bucket(name)
	}
	return b
}

func (b *buckets) record(m *Meta, changes payloads) *Record {
	r := &Record{Meta: m}
	name := encodeKey(m.Key)
	for kind, field := range r.fields() {
		if change := changes[kind]; change != nil {
			*field = *change
		} else {
			*field = bytes.Clone(b[kind].Get(name))
		}
		if len(*field) == 0 {
			*field = nil
		}
	}
	return r
}
