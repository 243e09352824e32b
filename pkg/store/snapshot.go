package store

import (
	"bytes"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// snapshot is what a list shows, whatever is committed after it was taken.
type snapshot struct {
	tx       *bbolt.Tx // for payloads that are in the file
	revision resource.Revision
	metas    []*Meta                   // in order
	changes  map[resource.Key]payloads // of those metas, in the journal
}

// takeSnapshot holds commits up only while it collects pointers.
func (s *Store) takeSnapshot(o *ListOptions) (*snapshot, error) {
	metas, snap, err := s.collect(o)
	if err != nil {
		return nil, err
	}
	for _, m := range metas {
		if o.selects(m) {
			snap.metas = append(snap.metas, m)
		} else {
			delete(snap.changes, m.Key)
		}
	}
	slices.SortFunc(snap.metas, func(a, b *Meta) int { return compareKeys(a.Key, b.Key) })
	return snap, nil
}

// collect finds the records of the groups that a list is of.
func (s *Store) collect(o *ListOptions) (metas []*Meta, snap *snapshot, err error) {
	s.memory.mu.RLock()
	defer s.memory.mu.RUnlock()
	tx, err := s.begin()
	if err != nil {
		return nil, nil, err
	}
	snap = &snapshot{tx: tx, revision: s.memory.state.Visible, changes: make(map[resource.Key]payloads)}
	for _, g := range s.index.groupNames() {
		if o.selectsGroup(g) {
			metas = append(metas, s.index.group(g)...)
		}
	}
	for _, g := range s.memory.generations() {
		for key := range g.records {
			if o.selectsGroup(key.Group()) {
				snap.changes[key] = s.memory.changes(key)
			}
		}
	}
	return metas, snap, nil
}

// page reads the page that begins at from (nil = the first), and tells where the
// next begins; nil if there is none.
func (p *snapshot) page(from []byte, limit int) (*Page, []byte, error) {
	page := &Page{Records: []*Record{}, Revision: p.revision}
	start, _ := slices.BinarySearchFunc(p.metas, from, func(m *Meta, from []byte) int {
		return bytes.Compare(encodeKey(m.Key), from)
	})
	for _, m := range p.metas[start:] {
		if limit > 0 && len(page.Records) == limit {
			return page, encodeKey(m.Key), nil
		}
		r, err := readRecord(p.tx, m, p.changes[m.Key])
		if err != nil {
			return nil, nil, err
		}
		page.Records = append(page.Records, r)
	}
	return page, nil, nil
}

func (p *snapshot) close() { _ = p.tx.Rollback() }
