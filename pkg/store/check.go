package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Check looks for faults: in the file's pages, between index and file, and in
// the history. It stops commits while it runs, and reads the whole file.
func (s *Store) Check() error {
	return s.Update(context.Background(), func(*Tx) error {
		return s.view(s.check)
	})
}

// check runs on the committer, where index and file must agree.
func (s *Store) check(tx *bbolt.Tx) error {
	return errors.Join(s.checkSize(tx), checkPages(tx), s.checkState(tx), s.checkIndex(tx), s.checkPayloads(tx), s.checkSettings(tx), s.checkLog(tx))
}

// checkSize finds a file that was cut short, before a page that is not there is
// read.
func (s *Store) checkSize(tx *bbolt.Tx) error {
	if have, need := s.Bytes(), tx.Size(); have < need {
		return fmt.Errorf("file has %d bytes, not %d", have, need)
	}
	return nil
}

// checkPages returns the first fault of the file's structure, and how many
// more there are.
func checkPages(tx *bbolt.Tx) error {
	var first error
	more := -1
	for err := range tx.Check() {
		if first == nil {
			first = err
		}
		more++
	}
	if first == nil {
		return nil
	}
	return fmt.Errorf("damaged pages: %w (and %d more)", first, more)
}

func (s *Store) checkState(tx *bbolt.Tx) error {
	var st state
	if err := st.load(tx); err != nil {
		return err
	}
	if st != s.state {
		return errors.New("state: file and memory differ")
	}
	if st.Floor > st.Visible || st.Visible > st.Head || (!s.sync && st.Head > st.HeadCeiling) {
		return fmt.Errorf("state: floor %s, visible %s, head %s and ceiling %s are out of order", st.Floor, st.Visible, st.Head, st.HeadCeiling)
	}
	return nil
}

func (s *Store) checkIndex(tx *bbolt.Tx) error {
	onDisk := 0
	err := tx.Bucket(metaBucket).ForEach(func(name, value []byte) error {
		onDisk++
		return s.checkMeta(name, value)
	})
	if err != nil {
		return err
	}
	inMemory := 0
	for range s.All() {
		inMemory++
	}
	if inMemory != onDisk {
		return fmt.Errorf("index has %d records, the file %d", inMemory, onDisk)
	}
	return nil
}

func (s *Store) checkMeta(name, value []byte) error {
	key, err := decodeKey(name)
	if err != nil {
		return err
	}
	m := s.index.meta(key)
	if m == nil {
		return fmt.Errorf("%s is in the file, but not in the index", key)
	}
	encoded, err := encodeMeta(m)
	if err != nil {
		return err
	}
	if !bytes.Equal(encoded, value) {
		return fmt.Errorf("%s: index and file differ", key)
	}
	if m.Revision > s.state.Visible || m.SpecRevision > m.Revision || m.CreatedRevision > m.Revision {
		return fmt.Errorf("%s: revision %s, spec %s and created %s are out of order, the last is %s", key, m.Revision, m.SpecRevision, m.CreatedRevision, s.state.Visible)
	}
	return nil
}

// checkPayloads finds payloads that no record has.
func (s *Store) checkPayloads(tx *bbolt.Tx) error {
	for _, bucket := range payloadBuckets {
		err := tx.Bucket(bucket).ForEach(func(name, _ []byte) error {
			key, err := decodeKey(name)
			if err == nil && s.index.meta(key) == nil {
				err = fmt.Errorf("%s has a %s, but is no record", key, bucket)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) checkSettings(tx *bbolt.Tx) error {
	onDisk := 0
	err := tx.Bucket(settingsBucket).ForEach(func(name, value []byte) error {
		onDisk++
		if !bytes.Equal(s.index.setting(string(name)), value) {
			return fmt.Errorf("setting %s: memory and file differ", name)
		}
		return nil
	})
	if err == nil && onDisk != len(s.index.settings) {
		err = fmt.Errorf("there are %d settings in memory, %d in the file", len(s.index.settings), onDisk)
	}
	return err
}

// checkLog wants the history between floor and last visible change, no longer
// than allowed, and the last change of every visible record in it.
func (s *Store) checkLog(tx *bbolt.Tx) error {
	entries := 0
	last := make(map[resource.Key]resource.Revision)
	err := tx.Bucket(logBucket).ForEach(func(name, value []byte) error {
		entries++
		line, err := decodeLine(name, value)
		if err != nil {
			return err
		}
		if line.revision <= s.state.Floor || line.revision > s.state.Visible {
			return fmt.Errorf("history entry %s is not between floor %s and last %s", line.revision, s.state.Floor, s.state.Visible)
		}
		last[line.key] = line.revision
		return nil
	})
	if err != nil {
		return err
	}
	if entries != s.logged || entries > s.history {
		return fmt.Errorf("history has %d entries, counted %d, allowed %d", entries, s.logged, s.history)
	}
	return s.checkLast(last)
}

func (s *Store) checkLast(last map[resource.Key]resource.Revision) error {
	for m := range s.All() {
		if m.Visible() && m.Revision > s.state.Floor && last[m.Key] != m.Revision {
			return fmt.Errorf("%s has revision %s, but its last in the history is %s", m.Key, m.Revision, last[m.Key])
		}
	}
	return nil
}
