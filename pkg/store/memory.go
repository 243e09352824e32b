package store

import (
	"sort"
	"sync"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// generation is what one segment of the journal holds, in memory until it is in
// the file.
type generation struct {
	contents
	segment *segment
	state   state // after the last of it
	first   time.Time
	last    time.Time
}

func newGeneration(segment *segment, st state) *generation {
	return &generation{segment: segment, state: st}
}

// merge puts later changes on top, and copies payloads, which are the callers'.
func (c *contents) merge(later *contents) {
	for key, change := range later.records {
		own := staged{change.meta, change.encoded, change.payloads.clone()}
		earlier := c.records[key]
		if earlier == nil {
			c.putRecord(key, &own)
			continue
		}
		earlier.meta, earlier.encoded = own.meta, own.encoded
		earlier.payloads.merge(own.payloads)
	}
	for name, value := range later.settings {
		c.set(name, value)
	}
	c.lines = append(c.lines, later.lines...)
}

// memory is what is in the journal, but perhaps not in the file yet. What it
// holds goes over what the file has.
//
// The committer changes newer, the checkpointer moves it to older and forgets
// that. Both hold turn and mu to do so; each may read its own without mu.
type memory struct {
	turn sync.Mutex // of writing to the journal, or moving to the next segment

	mu    sync.RWMutex
	older *generation       // is being written to the file; nil: none
	newer *generation       // takes commits
	state state             // after the last commit
	base  resource.Revision // changes up to it are in the file's history
}

func (m *memory) generations() []*generation {
	if m.older == nil {
		return []*generation{m.newer}
	}
	return []*generation{m.older, m.newer}
}

// changes are those of a record's payloads.
func (m *memory) changes(key resource.Key) payloads { return changesIn(m.generations(), key) }

func changesIn(generations []*generation, key resource.Key) (changes payloads) {
	for _, g := range generations {
		if st := g.records[key]; st != nil {
			changes.merge(st.payloads)
		}
	}
	return changes
}

// linesAfter are the history entries after a revision, oldest first. They are
// not changed later.
func (m *memory) linesAfter(since resource.Revision) (parts [][]logLine) {
	for _, g := range m.generations() {
		from := sort.Search(len(g.lines), func(i int) bool { return g.lines[i].revision > since })
		parts = append(parts, g.lines[from:])
	}
	return parts
}

// size is that of the segments in bytes.
func (m *memory) size() (n int64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, g := range m.generations() {
		n += g.segment.size
	}
	return n
}

// take merges a commit that is in the journal, together with the index, so that
// a reader who holds mu sees the two agree.
func (s *Store) take(o *overlay, frame []byte, next state) {
	now := time.Now()
	m := &s.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	g := m.newer
	if g.segment.empty() {
		g.first = now
	}
	g.last = now
	g.segment.took(frame)
	g.contents.merge(&o.contents)
	g.state, m.state = next, next
	s.index.merge(o.changes, o.settings)
}
