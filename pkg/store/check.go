package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Check looks for faults: in the file's pages, between index on one side and
// file and journal on the other, and in the history. It stops commits while it
// runs, and reads the whole file.
func (s *Store) Check() error {
	return s.Update(context.Background(), func(*Tx) error {
		// On the committer, where index and journal must agree, and with no
		// checkpoint on its way.
		s.checkpoints.mu.Lock()
		defer s.checkpoints.mu.Unlock()
		tx, err := s.begin()
		if err != nil {
			return err
		}
		defer tx.Rollback()
		return guard(func() error { return s.newCheck(tx).run() })
	})
}

// check compares what is on disk with what is in memory.
type check struct {
	s       *Store
	tx      *bbolt.Tx
	state   state
	journal contents // of both generations
}

func (s *Store) newCheck(tx *bbolt.Tx) *check {
	c := &check{s: s, tx: tx, state: s.memory.state}
	for _, g := range s.memory.generations() {
		c.journal.merge(&g.contents)
	}
	return c
}

func (c *check) run() error {
	return errors.Join(c.s.checkSize(c.tx), checkPages(c.tx), c.checkState(), c.checkIndex(), c.checkPayloads(), c.checkSettings(), c.checkLog())
}

// checkSize finds a file that was cut short, before a page that is not there is
// read.
func (s *Store) checkSize(tx *bbolt.Tx) error {
	if have, need := s.fileBytes(), tx.Size(); have < need {
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

func (c *check) checkState() error {
	var saved state
	if err := saved.load(c.tx); err != nil {
		return err
	}
	if saved != c.s.checkpoints.saved {
		return errors.New("state: file and memory differ")
	}
	if st := c.state; st.Floor > st.Visible || st.Visible > st.Head || (!c.s.sync && st.Head > st.HeadCeiling) {
		return fmt.Errorf("state: floor %s, visible %s, head %s and ceiling %s are out of order", st.Floor, st.Visible, st.Head, st.HeadCeiling)
	}
	return nil
}

// checkIndex wants the same records in the index as there are in the journal,
// and those of the file that are not in the journal.
func (c *check) checkIndex() error {
	onDisk := 0
	for key, st := range c.journal.records {
		if len(st.encoded) == 0 {
			continue
		}
		onDisk++
		if err := c.checkMeta(key, st.encoded); err != nil {
			return err
		}
	}
	err := c.tx.Bucket(metaBucket).ForEach(func(name, value []byte) error {
		key, err := decodeKey(name)
		if err != nil || c.journal.records[key] != nil {
			return err
		}
		onDisk++
		return c.checkMeta(key, value)
	})
	if err != nil {
		return err
	}
	inMemory := 0
	for range c.s.All() {
		inMemory++
	}
	if inMemory != onDisk {
		return fmt.Errorf("index has %d records, the file %d", inMemory, onDisk)
	}
	return nil
}

func (c *check) checkMeta(key resource.Key, value []byte) error {
	m := c.s.index.meta(key)
	if m == nil {
		return fmt.Errorf("%s is in the file, but not in the index", key)
	}
	if !bytes.Equal(encodeMeta(m), value) {
		return fmt.Errorf("%s: index and file differ", key)
	}
	if m.Revision > c.state.Visible || m.SpecRevision > m.Revision || m.CreatedRevision > m.Revision {
		return fmt.Errorf("%s: revision %s, spec %s and created %s are out of order, the last is %s", key, m.Revision, m.SpecRevision, m.CreatedRevision, c.state.Visible)
	}
	return nil
}

// checkPayloads finds payloads that no record has.
func (c *check) checkPayloads() error {
	for _, bucket := range payloadBuckets {
		err := c.tx.Bucket(bucket).ForEach(func(name, _ []byte) error {
			key, err := decodeKey(name)
			if err == nil && c.s.index.meta(key) == nil && c.journal.records[key] == nil {
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

func (c *check) checkSettings() error {
	onDisk := make(map[string][]byte)
	err := c.tx.Bucket(settingsBucket).ForEach(func(name, value []byte) error {
		onDisk[string(name)] = value
		return nil
	})
	if err != nil {
		return err
	}
	for name, value := range c.journal.settings {
		onDisk[name] = value
		if value == nil {
			delete(onDisk, name)
		}
	}
	for name, value := range onDisk {
		if !bytes.Equal(c.s.index.setting(name), value) {
			return fmt.Errorf("setting %s: memory and file differ", name)
		}
	}
	if have := len(c.s.index.settings); have != len(onDisk) {
		return fmt.Errorf("there are %d settings in memory, %d in the file", have, len(onDisk))
	}
	return nil
}

// checkLog wants the history between floor and last visible change, no longer
// than allowed, and the last change of every visible record in it.
func (c *check) checkLog() error {
	lines, err := c.history()
	if err != nil {
		return err
	}
	var revisions []resource.Revision
	last := make(map[resource.Key]resource.Revision)
	for _, line := range lines {
		if line.revision > c.state.Visible {
			return fmt.Errorf("history entry %s is not between floor %s and last %s", line.revision, c.state.Floor, c.state.Visible)
		}
		revisions = append(revisions, line.revision)
		last[line.key] = line.revision
	}
	if past := c.s.journal.past; !slices.Equal(revisions, past) || len(past) > c.s.history {
		return fmt.Errorf("history has %d entries, counted %d, allowed %d", len(revisions), len(past), c.s.history)
	}
	return c.checkLast(last)
}

// history is that of file and journal above the floor.
func (c *check) history() (lines []logLine, err error) {
	saved := c.s.checkpoints.saved
	err = c.tx.Bucket(logBucket).ForEach(func(name, value []byte) error {
		line, err := decodeLine(name, value)
		if err != nil {
			return err
		}
		if line.revision <= saved.Floor || line.revision > saved.Visible {
			return fmt.Errorf("history entry %s is not between floor %s and last %s", line.revision, saved.Floor, saved.Visible)
		}
		lines = append(lines, line)
		return nil
	})
	lines = append(lines, c.journal.lines...)
	return slices.DeleteFunc(lines, func(l logLine) bool { return l.revision <= c.state.Floor }), err
}

func (c *check) checkLast(last map[resource.Key]resource.Revision) error {
	for m := range c.s.All() {
		if m.Visible() && m.Revision > c.state.Floor && last[m.Key] != m.Revision {
			return fmt.Errorf("%s has revision %s, but its last in the history is %s", m.Key, m.Revision, last[m.Key])
		}
	}
	return nil
}
