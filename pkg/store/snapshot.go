package store

import (
	"fmt"
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
	if o.Sort != nil {
		o.Sort(snap.metas)
	} else {
		slices.SortFunc(snap.metas, func(a, b *Meta) int { return compareKeys(a.Key, b.Key) })
	}
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
	metas := p.metas[p.find(from):]
	var next []byte
	if limit > 0 && len(metas) > limit {
		next = encodeKey(metas[limit].Key)
		metas = metas[:limit]
	}
	records, err := p.read(metas)
	return &Page{Records: records, Revision: p.revision}, next, err
}

func (p *snapshot) read(metas []*Meta) (records []*Record, err error) {
	records = make([]*Record, 0, len(metas))
	err = guard(func() error {
		all := bucketsOf(p.tx)
		for _, m := range metas {
			records = append(records, all.record(m, p.changes[m.Key]))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read resource %d of %d: %w", len(records)+1, len(metas), err)
	}
	return records, nil
}

// find is where the page begins whose first key is from: nil is the first. The
// order may be any, so it looks at all.
func (p *snapshot) find(from []byte) int {
	if from == nil {
		return 0
	}
	key, err := decodeKey(from)
	if err != nil {
		return len(p.metas)
	}
	if at := slices.IndexFunc(p.metas, func(m *Meta) bool { return m.Key == key }); at >= 0 {
		return at
	}
	return len(p.metas)
}

func (p *snapshot) close() { _ = p.tx.Rollback() }
