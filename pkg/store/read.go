package store

import (
	"errors"
	"fmt"
	"sync"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// settled knows up to which transaction the file is durable and in the index.
// A reader may get hold of a later one, because a commit shows in the file
// before its sync has ended: it has to wait.
type settled struct {
	mu    sync.Mutex
	moved sync.Cond
	last  int
	err   error // no later one will ever be durable
}

func (d *settled) init() { d.moved.L = &d.mu }

func (d *settled) advance(id int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = id
	d.moved.Broadcast()
}

func (d *settled) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
	d.moved.Broadcast()
}

func (d *settled) wait(id int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.last < id && d.err == nil {
		d.moved.Wait()
	}
	if d.last < id {
		return d.err
	}
	return nil
}

// beginRead opens a transaction on durable data.
func (s *Store) beginRead() (*bbolt.Tx, error) {
	tx, err := s.db.Begin(false)
	if errors.Is(err, bbolterrors.ErrDatabaseNotOpen) {
		return nil, errClosed()
	}
	if err != nil {
		return nil, fmt.Errorf("read store %s: %w", s.path, err)
	}
	if err := s.settled.wait(tx.ID()); err != nil {
		_ = tx.Rollback()
		return nil, err
	}
	return tx, nil
}

// view runs fn in a transaction on durable data.
func (s *Store) view(fn func(*bbolt.Tx) error) error {
	return guard(func() error {
		tx, err := s.beginRead()
		if err != nil {
			return err
		}
		defer tx.Rollback()
		return fn(tx)
	})
}

// fields are the payloads by kind.
func (r *Record) fields() [payloadKinds]*[]byte {
	return [payloadKinds]*[]byte{
		specPayload:         &r.Spec,
		metadataPayload:     &r.Metadata,
		statusPayload:       &r.Status,
		nextSpecPayload:     &r.NextSpec,
		nextMetadataPayload: &r.NextMetadata,
	}
}

func errNotFound(key resource.Key) error {
	return resource.Errorf(resource.NotFound, "there is no resource %s", key)
}

// Get is a record with its payloads, tombstones included; resource.NotFound if
// there is none.
func (s *Store) Get(key resource.Key) (r *Record, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		r, err = readRecord(tx, key)
		return err
	})
	s.touched(1)
	return r, err
}

// readRecord reads a record, or returns resource.NotFound.
func readRecord(tx *bbolt.Tx, key resource.Key) (*Record, error) {
	name := encodeKey(key)
	value := tx.Bucket(metaBucket).Get(name)
	if value == nil {
		return nil, errNotFound(key)
	}
	m, err := decodeMeta(key, value)
	if err != nil {
		return nil, err
	}
	return readPayloads(tx, name, m), nil
}

// readPayloads copies the payloads out of the file.
func readPayloads(tx *bbolt.Tx, name []byte, m *Meta) *Record {
	r := &Record{Meta: m}
	for kind, field := range r.fields() {
		if value := tx.Bucket(payloadBuckets[kind]).Get(name); value != nil {
			*field = append([]byte{}, value...)
		}
	}
	return r
}
