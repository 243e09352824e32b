package store

import (
	"bytes"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// fillPercent of the history, which only grows at its end.
const fillPercent = 0.95

// writer puts contents of the journal into a transaction of the file.
type writer struct {
	tx    *bbolt.Tx
	state state // after them
}

// write puts all of it in.
func (w *writer) write(c *contents) error {
	if err := w.writeRecords(ordered(c.records)); err != nil {
		return err
	}
	return w.writeRest(c)
}

// writeRest puts in all but the records.
func (w *writer) writeRest(c *contents) error {
	if err := w.writeLog(c.lines); err != nil {
		return err
	}
	if err := w.trimLog(); err != nil {
		return err
	}
	if err := w.writeSettings(c.settings); err != nil {
		return err
	}
	return w.state.save(w.tx)
}

// named is a record with its key on disk.
type named struct {
	name []byte
	*staged
}

// ordered puts records into the order of the keys on disk, so that each page is
// visited once.
func ordered(records map[resource.Key]*staged) []named {
	ordered := make([]named, 0, len(records))
	for key, st := range records {
		ordered = append(ordered, named{encodeKey(key), st})
	}
	slices.SortFunc(ordered, func(a, b named) int { return bytes.Compare(a.name, b.name) })
	return ordered
}

func (w *writer) writeRecords(records []named) error {
	for _, r := range records {
		if err := w.writeRecord(r.name, r.staged); err != nil {
			return fmt.Errorf("write record: %w", err)
		}
	}
	return nil
}

func (w *writer) writeRecord(name []byte, st *staged) error {
	if err := put(w.tx.Bucket(metaBucket), name, st.encoded); err != nil {
		return err
	}
	for kind, change := range st.payloads {
		if change == nil {
			continue
		}
		if err := put(w.tx.Bucket(payloadBuckets[kind]), name, *change); err != nil {
			return err
		}
	}
	return nil
}

// put writes a value; nothing removes it.
func put(b *bbolt.Bucket, name, value []byte) error {
	if len(value) == 0 {
		return b.Delete(name)
	}
	return b.Put(name, value)
}

// writeLog leaves out what is forgotten already.
func (w *writer) writeLog(lines []logLine) error {
	bucket := w.tx.Bucket(logBucket)
	bucket.FillPercent = fillPercent
	for _, line := range lines {
		if line.revision <= w.state.Floor {
			continue
		}
		value, err := encodeLine(line)
		if err != nil {
			return err
		}
		if err := bucket.Put(encodeRevision(line.revision), value); err != nil {
			return fmt.Errorf("write history: %w", err)
		}
	}
	return nil
}

// trimLog forgets the history up to its floor.
func (w *writer) trimLog() error {
	cursor := w.tx.Bucket(logBucket).Cursor()
	for name, _ := cursor.First(); name != nil; name, _ = cursor.First() {
		revision, err := decodeRevision(name)
		if err != nil {
			return fmt.Errorf("trim history: %w", err)
		}
		if revision > w.state.Floor {
			return nil
		}
		if err := cursor.Delete(); err != nil {
			return fmt.Errorf("trim history: %w", err)
		}
	}
	return nil
}

// writeSettings keeps an empty value apart from none.
func (w *writer) writeSettings(settings map[string][]byte) error {
	bucket := w.tx.Bucket(settingsBucket)
	for name, value := range settings {
		var err error
		if value == nil {
			err = bucket.Delete([]byte(name))
		} else {
			err = bucket.Put([]byte(name), value)
		}
		if err != nil {
			return fmt.Errorf("write setting %s: %w", name, err)
		}
	}
	return nil
}
