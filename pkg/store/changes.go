package store

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// LogEntry is a visible change of the past, with the record as it is now.
type LogEntry struct {
	Revision resource.Revision
	Kind     Kind
	Key      resource.Key
	Record   *Record   // current state; nil if it is not visible now
	Last     *LastSeen // of Deleted
}

// Changes are the visible changes after since, in order, at most limit (0 = all),
// read from one transaction. It is resource.Expired if since is older than the
// history that is kept or newer than the store.
func (s *Store) Changes(since resource.Revision, limit int) (entries []LogEntry, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		entries, err = readChanges(tx, since, limit)
		return err
	})
	s.touched(len(entries))
	return entries, err
}

func readChanges(tx *bbolt.Tx, since resource.Revision, limit int) ([]LogEntry, error) {
	var st state
	if err := st.load(tx); err != nil {
		return nil, err
	}
	if since < st.Floor || since > st.Head {
		return nil, resource.Errorf(resource.Expired, "changes since revision %s are not known: list again and watch from there", since)
	}
	records := make(map[resource.Key]*Record)
	entries := []LogEntry{}
	cursor := tx.Bucket(logBucket).Cursor()
	for name, value := cursor.Seek(encodeRevision(since + 1)); name != nil; name, value = cursor.Next() {
		if limit > 0 && len(entries) == limit {
			break
		}
		line, err := decodeLine(name, value)
		if err != nil {
			return nil, err
		}
		record, err := visibleRecord(tx, line.key, records)
		if err != nil {
			return nil, fmt.Errorf("history entry %s: %w", line.revision, err)
		}
		entries = append(entries, LogEntry{line.revision, line.kind, line.key, record, line.last})
	}
	return entries, nil
}

// visibleRecord reads a record once; nil if it is not shown.
func visibleRecord(tx *bbolt.Tx, key resource.Key, known map[resource.Key]*Record) (*Record, error) {
	if r, ok := known[key]; ok {
		return r, nil
	}
	r, err := readRecord(tx, key)
	if err != nil && !isNotFound(err) {
		return nil, err
	}
	if err != nil || !r.Visible() {
		r = nil
	}
	known[key] = r
	return r, nil
}

func isNotFound(err error) bool {
	var e *resource.Error
	return errors.As(err, &e) && e.Code == resource.NotFound
}
