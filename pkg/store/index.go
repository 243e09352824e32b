package store

import (
	"bytes"
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"unique"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// index is what is kept in memory of every record: its Meta, never its
// payloads. Only the committer writes to it, after the disk.
type index struct {
	mu       sync.RWMutex
	groups   map[resource.Group]*group
	places   map[place][]*group // in order of their sources
	settings map[string][]byte
}

// group holds the records of one group. All its keys share the strings of its
// name.
type group struct {
	name resource.Group
	byID map[string]*Meta
}

// place is a group of whatever source.
type place struct {
	dataType resource.DataType
	cluster  string
}

func placeOf(g resource.Group) place { return place{g.DataType, g.Cluster} }

func (x *index) init() {
	x.groups = make(map[resource.Group]*group)
	x.places = make(map[place][]*group)
	x.settings = make(map[string][]byte)
}

// intern returns the key of a new record with the strings that other keys of
// its group use.
func (x *index) intern(k resource.Key) resource.Key {
	x.mu.RLock()
	defer x.mu.RUnlock()
	id := strings.Clone(k.ID)
	if g := x.groups[k.Group()]; g != nil {
		return g.name.Key(id)
	}
	// The first records of a group come together: their commit is not merged
	// yet, but the runtime knows the strings until it next collects garbage.
	return unique.Make(k.Group()).Value().Key(id)
}

func (x *index) meta(k resource.Key) *Meta {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if g := x.groups[k.Group()]; g != nil {
		return g.byID[k.ID]
	}
	return nil
}

func (x *index) setting(name string) []byte {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.settings[name]
}

// merge takes over what was committed.
func (x *index) merge(changes []Change, settings map[string][]byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range changes {
		if c.Meta != nil {
			x.put(c.Meta)
		} else {
			x.remove(c.Prev.Key)
		}
	}
	for name, value := range settings {
		x.set(name, value)
	}
}

func (x *index) set(name string, value []byte) {
	if value == nil {
		delete(x.settings, name)
		return
	}
	x.settings[name] = value
}

func (x *index) put(m *Meta) {
	name := m.Key.Group()
	g := x.groups[name]
	if g == nil {
		g = x.addGroup(name)
	}
	g.byID[m.Key.ID] = m
}

func (x *index) addGroup(name resource.Group) *group {
	g := &group{name: name, byID: make(map[string]*Meta)}
	x.groups[name] = g
	at := placeOf(name)
	x.places[at] = append(x.places[at], g)
	slices.SortFunc(x.places[at], func(a, b *group) int { return cmp.Compare(a.name.Source, b.name.Source) })
	return g
}

func (x *index) remove(k resource.Key) {
	g := x.groups[k.Group()]
	if g == nil {
		return
	}
	delete(g.byID, k.ID)
	if len(g.byID) > 0 {
		return
	}
	delete(x.groups, g.name)
	at := placeOf(g.name)
	x.places[at] = slices.DeleteFunc(x.places[at], func(other *group) bool { return other == g })
	if len(x.places[at]) == 0 {
		delete(x.places, at)
	}
}

// sources are those with a record of that id at that place, tombstones
// included.
func (x *index) sources(at place, id string) []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var sources []string
	for _, g := range x.places[at] {
		if g.byID[id] != nil {
			sources = append(sources, g.name.Source)
		}
	}
	return sources
}

func (x *index) group(g resource.Group) []*Meta {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.groups[g] == nil {
		return nil
	}
	return slices.AppendSeq(make([]*Meta, 0, len(x.groups[g].byID)), maps.Values(x.groups[g].byID))
}

func (x *index) groupNames() []resource.Group {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return slices.Collect(maps.Keys(x.groups))
}

// Meta is the record's, tombstones included; nil if it is unknown.
func (s *Store) Meta(key resource.Key) *Meta { return s.index.meta(key) }

// Group lists the records of a group in the order of their ids, tombstones
// included.
func (s *Store) Group(g resource.Group) []*Meta {
	metas := s.index.group(g)
	slices.SortFunc(metas, func(a, b *Meta) int { return cmp.Compare(a.Key.ID, b.Key.ID) })
	return metas
}

// Groups are those with at least one record, tombstones too, in the order of
// data type, cluster and source.
func (s *Store) Groups() []resource.Group {
	groups := s.index.groupNames()
	slices.SortFunc(groups, func(a, b resource.Group) int {
		return cmp.Or(cmp.Compare(a.DataType, b.DataType), cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Source, b.Source))
	})
	return groups
}

// Find lists the visible records of that data type, cluster and id, of whatever
// source, in the order of their sources.
func (s *Store) Find(dt resource.DataType, cluster, id string) []*Meta {
	s.index.mu.RLock()
	defer s.index.mu.RUnlock()
	var found []*Meta
	for _, g := range s.index.places[place{dt, cluster}] {
		if m := g.byID[id]; m.Visible() {
			found = append(found, m)
		}
	}
	return found
}

// All goes through every record, tombstones included, in no order. Commits go
// on meanwhile: what changes during the walk may be seen before or after its
// change, and what is there all the time is seen once.
func (s *Store) All() iter.Seq[*Meta] {
	return func(yield func(*Meta) bool) {
		for _, g := range s.Groups() {
			for _, m := range s.index.group(g) {
				if !yield(m) {
					return
				}
			}
		}
	}
}

// Setting is a small durable value of the engine; nil if it is not set.
func (s *Store) Setting(name string) []byte {
	return bytes.Clone(s.index.setting(name))
}
