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

// Changes are the visible changes after since, in order, at most limit (0 = all).
// Every record is at least as new as its entry, and may be newer than the last.
// It is resource.Expired if since is older than the history that is kept or
// newer than the store.
func (s *Store) Changes(since resource.Revision, limit int) ([]LogEntry, error) {
	entries, _, err := s.ChangesOf(since, limit, func(resource.Key, Kind, resource.Revision) bool { return true })
	return entries, err
}

// ChangesOf are those of the next limit Changes that are wanted, by key, kind
// and revision: only of these records are read. through is the revision up to
// which was looked: since if there is nothing newer.
func (s *Store) ChangesOf(since resource.Revision, limit int, wanted func(resource.Key, Kind, resource.Revision) bool) (entries []LogEntry, through resource.Revision, err error) {
	lines, err := s.lines(since, limit)
	if err != nil {
		return nil, since, err
	}
	through = since
	records := make(map[resource.Key]*Record)
	entries = make([]LogEntry, 0, len(lines))
	for _, line := range lines {
		through = line.revision
		if !wanted(line.key, line.kind, line.revision) {
			continue
		}
		record, err := s.visibleRecord(line.key, records)
		if err != nil {
			return nil, since, fmt.Errorf("history entry %s: %w", line.revision, err)
		}
		entries = append(entries, LogEntry{line.revision, line.kind, line.key, record, line.last})
	}
	return entries, through, nil
}

// Log is Changes without their records, which callers that hold many changes
// read one by one.
func (s *Store) Log(since resource.Revision, limit int) ([]LogEntry, error) {
	lines, err := s.lines(since, limit)
	if err != nil {
		return nil, err
	}
	entries := make([]LogEntry, len(lines))
	for i, line := range lines {
		entries[i] = LogEntry{Revision: line.revision, Kind: line.kind, Key: line.key, Last: line.last}
	}
	return entries, nil
}

// Floor is the oldest revision since which all changes are known.
func (s *Store) Floor() resource.Revision {
	s.memory.mu.RLock()
	defer s.memory.mu.RUnlock()
	return s.memory.state.Floor
}

// lines are the entries of the history after since: those of the file, if they
// are needed, and those of the journal.
func (s *Store) lines(since resource.Revision, limit int) ([]logLine, error) {
	m := &s.memory
	m.mu.RLock()
	st, base, recent := m.state, m.base, m.linesAfter(since)
	tx, err := s.begin()
	m.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	if since < st.Floor || since > st.Head {
		return nil, resource.Errorf(resource.Expired, "changes since revision %s are not known: list again and watch from there", since)
	}
	var lines []logLine
	if since < base {
		if lines, err = readLines(tx, since, base, limit); err != nil {
			return nil, err
		}
	}
	for _, part := range recent {
		if limit > 0 {
			part = part[:min(len(part), limit-len(lines))]
		}
		lines = append(lines, part...)
	}
	return lines, nil
}

// readLines reads the history in the file after since, up to last.
func readLines(tx *bbolt.Tx, since, last resource.Revision, limit int) (lines []logLine, err error) {
	err = guard(func() error {
		cursor := tx.Bucket(logBucket).Cursor()
		for name, value := cursor.Seek(encodeRevision(since + 1)); name != nil; name, value = cursor.Next() {
			line, err := decodeLine(name, value)
			if err != nil {
				return err
			}
			if line.revision > last || (limit > 0 && len(lines) == limit) {
				return nil
			}
			lines = append(lines, line)
		}
		return nil
	})
	return lines, err
}

// visibleRecord reads a record once; nil if it is not shown.
func (s *Store) visibleRecord(key resource.Key, known map[resource.Key]*Record) (*Record, error) {
	if r, ok := known[key]; ok {
		return r, nil
	}
	r, err := s.Get(key)
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
