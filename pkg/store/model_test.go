package store_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// model is what a store should hold, kept in the simplest way.
type model struct {
	records  map[resource.Key]modelRecord
	settings map[string]string
	log      []modelLine
	head     resource.Revision
}

type modelRecord struct {
	version                 int64
	gone                    bool
	revision, spec, created resource.Revision
	payloads                [2]string // spec and status
}

type modelLine struct {
	revision resource.Revision
	kind     store.Kind
	key      resource.Key
}

func (m *model) clone() *model {
	c := *m
	c.records, c.settings, c.log = maps.Clone(m.records), maps.Clone(m.settings), slices.Clone(m.log)
	return &c
}

func (m *model) note(kind store.Kind, key resource.Key) resource.Revision {
	m.head++
	m.log = append(m.log, modelLine{m.head, kind, key})
	return m.head
}

// operation does the same to a store and to the model.
type operation func(tx *store.Tx, m *model)

// randomKey is one of 40 in five groups.
func randomKey(r *rand.Rand) resource.Key {
	k := key(fmt.Sprint("r-", r.IntN(8)))
	switch r.IntN(5) {
	case 0:
		k.Source = "hub2"
	case 1:
		k.Cluster = "cluster2"
	case 2:
		k.DataType = "com.example.fleet.v1alpha1.apps"
	case 3:
		k.Cluster = "cluster1-x"
	}
	return k
}

func randomOperation(r *rand.Rand) operation {
	k := randomKey(r)
	switch r.IntN(12) {
	case 0:
		return func(tx *store.Tx, m *model) {
			tx.Remove(k)
			if old, ok := m.records[k]; ok && !old.gone {
				m.note(store.Deleted, k)
			}
			delete(m.records, k)
		}
	case 1:
		name, value := fmt.Sprint("s-", r.IntN(3)), fmt.Sprint(r.IntN(100))
		return func(tx *store.Tx, m *model) {
			tx.SetSetting(name, []byte(value))
			m.settings[name] = value
		}
	case 2:
		name := fmt.Sprint("s-", r.IntN(3))
		return func(tx *store.Tx, m *model) {
			tx.SetSetting(name, nil)
			delete(m.settings, name)
		}
	case 3:
		return func(tx *store.Tx, m *model) {
			m.head++
			if got := tx.TakeRevision(); got != m.head {
				panic(fmt.Sprintf("took %d, want %d", got, m.head))
			}
		}
	}
	return randomPut(r, k)
}

func randomPut(r *rand.Rand, k resource.Key) operation {
	version, visible, changed, gone := r.Int64N(1000), r.IntN(3) > 0, r.IntN(2) == 0, r.IntN(4) == 0
	w := store.Write{Visible: visible, SpecChanged: changed}
	w.Spec, w.Status = randomPayload(r), randomPayload(r)
	return func(tx *store.Tx, m *model) {
		meta := store.Meta{Key: k, Version: version}
		if gone {
			meta.Gone = tx.Now()
		}
		tx.Put(meta, w)
		m.put(meta, w)
	}
}

// randomPayload keeps, removes or sets; some are larger than a page.
func randomPayload(r *rand.Rand) *[]byte {
	switch r.IntN(4) {
	case 0:
		return nil
	case 1:
		return new([]byte)
	}
	b := make([]byte, r.IntN(6000)*r.IntN(2)+1)
	for i := range b {
		b[i] = byte('a' + r.IntN(26))
	}
	return &b
}

func (m *model) put(meta store.Meta, w store.Write) {
	old, known := m.records[meta.Key]
	before, after := known && !old.gone, meta.Gone.IsZero()
	next := old
	next.version, next.gone = meta.Version, !after
	switch {
	case !before && after:
		next.revision = m.note(store.Added, meta.Key)
		next.created, next.spec = next.revision, next.revision
	case before && !after:
		next.revision = m.note(store.Deleted, meta.Key)
	case before && w.Visible:
		next.revision = m.note(store.Modified, meta.Key)
	}
	if w.SpecChanged {
		next.spec = next.revision
	}
	for i, p := range []*[]byte{w.Spec, w.Status} {
		if p != nil {
			next.payloads[i] = string(*p)
		}
	}
	m.records[meta.Key] = next
}

// visible are the keys that a list shows, in its order.
func (m *model) visible() (keys []resource.Key) {
	for k, r := range m.records {
		if !r.gone {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b resource.Key) int {
		return cmp.Or(cmp.Compare(a.DataType, b.DataType), cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID))
	})
	return keys
}

// compare finds differences between a store and the model.
func (m *model) compare(t *testing.T, s *store.Store) {
	t.Helper()
	known := 0
	for meta := range s.All() {
		known++
		m.compareRecord(t, s, meta)
	}
	if known != len(m.records) {
		t.Errorf("the store has %d records, want %d", known, len(m.records))
	}
	for i := range 3 {
		name := fmt.Sprint("s-", i)
		want, ok := m.settings[name]
		if got := s.Setting(name); string(got) != want || ok != (got != nil) {
			t.Errorf("setting %s is %q, want %q", name, got, want)
		}
	}
	m.compareList(t, s)
}

func (m *model) compareRecord(t *testing.T, s *store.Store, meta *store.Meta) {
	t.Helper()
	r, err := s.Get(meta.Key)
	if err != nil {
		t.Fatal(err)
	}
	got := modelRecord{meta.Version, !meta.Visible(), meta.Revision, meta.SpecRevision, meta.CreatedRevision, [2]string{string(r.Spec), string(r.Status)}}
	if want := m.records[meta.Key]; got != want {
		t.Errorf("%s is %+.200v, want %+.200v", meta.Key, got, want)
	}
	if r.Meta.Version != meta.Version || r.Meta.Revision != meta.Revision {
		t.Errorf("%s: index and file differ", meta.Key)
	}
}

func (m *model) compareList(t *testing.T, s *store.Store) {
	t.Helper()
	var got []resource.Key
	for o := (store.ListOptions{Limit: 7}); ; {
		p := list(t, s, o)
		for _, r := range p.Records {
			got = append(got, r.Key)
		}
		if p.Revision != s.Revision() {
			t.Errorf("list has revision %d, want %d", p.Revision, s.Revision())
		}
		if o.Continue = p.Continue; o.Continue == "" {
			break
		}
	}
	if want := m.visible(); !slices.Equal(got, want) {
		t.Errorf("list is %v, want %v", got, want)
	}
}

// compareChanges resumes from a random point of the history that is kept.
func (m *model) compareChanges(t *testing.T, s *store.Store, r *rand.Rand, kept int) {
	t.Helper()
	if len(m.log) == 0 {
		return
	}
	from := max(0, len(m.log)-kept) + r.IntN(min(kept, len(m.log)))
	entries, err := s.Changes(m.log[from].revision, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := m.log[from+1:]
	if len(entries) != len(want) {
		t.Fatalf("got %d changes, want %d", len(entries), len(want))
	}
	for i, e := range entries {
		if got := (modelLine{e.Revision, e.Kind, e.Key}); got != want[i] {
			t.Errorf("change %d is %v, want %v", i, got, want[i])
		}
		if record, known := m.records[e.Key]; (e.Record != nil) != (known && !record.gone) {
			t.Errorf("change %d of %s has record %v", i, e.Key, e.Record != nil)
		}
	}
}

// TestRandomOperationsAgainstAModel does what nobody has thought of, with
// updates that fail in between and the store opened anew now and then.
func TestRandomOperationsAgainstAModel(t *testing.T) {
	const kept = 50
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2026))
			dir := t.TempDir()
			options := []func(*store.Options){history(kept), func(o *store.Options) { o.Sync = seed%2 == 0 }}
			s := open(t, dir, options...)
			m := &model{records: map[resource.Key]modelRecord{}, settings: map[string]string{}, head: s.Revision()}
			for round := range 60 {
				m = randomUpdates(t, s, m, r)
				if round%10 == 9 {
					m.compare(t, s)
					m.compareChanges(t, s, r, kept)
				}
				if r.IntN(4) == 0 {
					checkpoint(t, s)
				}
				if r.IntN(8) == 0 {
					m.compareImage(t, s, dir, options)
				}
				if round%15 == 14 {
					closeStore(t, s)
					s = open(t, dir, options...)
				}
			}
			m.compare(t, s)
		})
	}
}

// compareImage opens what a kill at this moment would leave.
func (m *model) compareImage(t *testing.T, s *store.Store, dir string, options []func(*store.Options)) {
	t.Helper()
	s.PauseCheckpoints(func(func()) {})
	at := image(t, dir)
	s.ResumeCheckpoints()
	again := open(t, at, options...)
	m.compare(t, again)
	closeStore(t, again)
}

// randomUpdates runs some updates in one commit and returns the model after
// those that did not fail.
func randomUpdates(t *testing.T, s *store.Store, m *model, r *rand.Rand) *model {
	t.Helper()
	var updates []func(*store.Tx) error
	for range r.IntN(6) + 1 {
		operations := make([]operation, r.IntN(8))
		for i := range operations {
			operations[i] = randomOperation(r)
		}
		fails := r.IntN(4) == 0
		updates = append(updates, func(tx *store.Tx) error {
			next := m.clone()
			for _, op := range operations {
				op(tx, next)
			}
			if fails {
				return errOfTest
			}
			m = next
			return nil
		})
	}
	for _, err := range together(t, s, updates...) {
		if err != nil && !errors.Is(err, errOfTest) {
			t.Fatal(err)
		}
	}
	return m
}

// Commits are bounded, whatever waits.
func TestACommitTakesSoManyUpdatesAndBytes(t *testing.T) {
	s := open(t, t.TempDir(), noSync)
	var sizes []int
	s.OnCommit(func(changes []store.Change) { sizes = append(sizes, len(changes)) })
	big := make([]byte, 1<<20)
	updates := make([]func(*store.Tx) error, 1500)
	for i := range updates {
		updates[i] = func(tx *store.Tx) error { putTx(tx, key(fmt.Sprint("small-", i)), 1, "x"); return nil }
	}
	for i := range 10 {
		updates = append(updates, func(tx *store.Tx) error {
			tx.Put(store.Meta{Key: key(fmt.Sprint("big-", i))}, store.Write{Visible: true, Spec: &big})
			return nil
		})
	}
	if err := errors.Join(together(t, s, updates...)...); err != nil {
		t.Fatal(err)
	}
	// The first commit has the update that held the committer.
	if want := []int{1023, 481, 4, 2}; !slices.Equal(sizes, want) {
		t.Errorf("commits have %v changes, want %v", sizes, want)
	}
	if err := s.Update(context.Background(), func(*store.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
}
