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

// writer puts an overlay into a transaction.
type writer struct {
	tx      *bbolt.Tx
	logged  int // entries in the history
	history int // entries to keep
	state   *state
}

func (w *writer) write(o *overlay) error {
	if err := w.writeRecords(o.records); err != nil {
		return err
	}
	if err := w.writeLog(o.lines); err != nil {
		return err
	}
	if err := w.trimLog(); err != nil {
		return err
	}
	if err := w.writeSettings(o.settings); err != nil {
		return err
	}
	return w.state.save(w.tx)
}

// writeRecords goes in the order of the keys on disk, so that each page is
// visited once.
func (w *writer) writeRecords(records map[resource.Key]*staged) error {
	type named struct {
		name []byte
		*staged
	}
	ordered := make([]named, 0, len(records))
	for key, st := range records {
		ordered = append(ordered, named{encodeKey(key), st})
	}
	slices.SortFunc(ordered, func(a, b named) int { return bytes.Compare(a.name, b.name) })
	for _, r := range ordered {
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

func (w *writer) writeLog(lines []logLine) error {
	bucket := w.tx.Bucket(logBucket)
	bucket.FillPercent = fillPercent
	for _, line := range lines {
		value, err := encodeLine(line)
		if err != nil {
			return err
		}
		if err := bucket.Put(encodeRevision(line.revision), value); err != nil {
			return fmt.Errorf("write history: %w", err)
		}
		w.logged++
	}
	return nil
}

// trimLog forgets the oldest entries above the limit.
func (w *writer) trimLog() error {
	cursor := w.tx.Bucket(logBucket).Cursor()
	for ; w.logged > w.history; w.logged-- {
		name, _ := cursor.First()
		floor, err := decodeRevision(name)
		if err != nil {
			return fmt.Errorf("trim history: %w", err)
		}
		if err := cursor.Delete(); err != nil {
			return fmt.Errorf("trim history: %w", err)
		}
		w.state.Floor = floor
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
