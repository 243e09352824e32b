package store_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// list is a page that must come.
func list(t testing.TB, s *store.Store, o store.ListOptions) *store.Page {
	t.Helper()
	p, err := s.List(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fillTen stores r-0 to r-9.
func fillTen(t testing.TB, s *store.Store) {
	t.Helper()
	update(t, s, func(tx *store.Tx) {
		for i := range 10 {
			putTx(tx, key(fmt.Sprint("r-", i)), int64(i+1), fmt.Sprint("spec ", i))
		}
	})
}

func TestAListSelectsAndSorts(t *testing.T) {
	s := open(t, t.TempDir())
	const otherType = "com.example.fleet.v1alpha1.apps"
	update(t, s, func(tx *store.Tx) {
		for _, k := range []resource.Key{
			{DataType: dataType, Cluster: "c2", Source: "s1", ID: "a"},
			{DataType: dataType, Cluster: "c1", Source: "s2", ID: "b"},
			{DataType: dataType, Cluster: "c1", Source: "s1", ID: "d"},
			{DataType: dataType, Cluster: "c1", Source: "s1", ID: "c"},
			{DataType: dataType, Cluster: "c1-x", Source: "s1", ID: "e"},
			{DataType: otherType, Cluster: "c1", Source: "s2", ID: "f"},
		} {
			putTx(tx, k, int64(k.ID[0]), "spec of "+k.ID)
		}
		putTx(tx, key("tombstone"), 1, "x")
		bury(tx, key("tombstone"))
	})
	tests := map[string]struct {
		options store.ListOptions
		want    []string
	}{
		"all":                {store.ListOptions{}, []string{"f", "c", "d", "b", "e", "a"}},
		"data type":          {store.ListOptions{DataType: dataType}, []string{"c", "d", "b", "e", "a"}},
		"data type, cluster": {store.ListOptions{DataType: dataType, Cluster: "c1"}, []string{"c", "d", "b"}},
		"group":              {store.ListOptions{DataType: dataType, Cluster: "c1", Source: "s1"}, []string{"c", "d"}},
		"cluster":            {store.ListOptions{Cluster: "c1"}, []string{"f", "c", "d", "b"}},
		"source":             {store.ListOptions{Source: "s2"}, []string{"f", "b"}},
		"data type, source":  {store.ListOptions{DataType: dataType, Source: "s2"}, []string{"b"}},
		"match":              {store.ListOptions{Match: func(m *store.Meta) bool { return m.Version > 'c' }}, []string{"f", "d", "e"}},
		"nothing":            {store.ListOptions{Cluster: "c3"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, limit := range []int{0, 1, 2, 3, 100} {
				test.options.Limit = limit
				if got := listAll(t, s, test.options); !slices.Equal(got, test.want) {
					t.Errorf("limit %d: got %v, want %v", limit, got, test.want)
				}
			}
		})
	}
}

// listAll goes through all pages.
func listAll(t *testing.T, s *store.Store, o store.ListOptions) (all []string) {
	t.Helper()
	for {
		p := list(t, s, o)
		for _, r := range p.Records {
			if string(r.Spec) != "spec of "+r.Key.ID {
				t.Errorf("%s has spec %q", r.Key.ID, r.Spec)
			}
		}
		all = append(all, ids(p.Records)...)
		if p.Continue == "" {
			return all
		}
		if len(p.Records) != o.Limit {
			t.Errorf("a page in between has %d records, want %d", len(p.Records), o.Limit)
		}
		o = store.ListOptions{Limit: o.Limit, Continue: p.Continue}
	}
}

func TestAllPagesAreOneSnapshot(t *testing.T) {
	s := open(t, t.TempDir())
	fillTen(t, s)
	revision := s.Revision()
	first := list(t, s, store.ListOptions{Limit: 4})
	update(t, s, func(tx *store.Tx) {
		tx.Remove(key("r-5"))
		bury(tx, key("r-6"))
		putTx(tx, key("r-7"), 99, "changed")
		putTx(tx, key("r-77"), 1, "new")
	})
	second := list(t, s, store.ListOptions{Limit: 4, Continue: first.Continue})
	again := list(t, s, store.ListOptions{Limit: 2, Continue: first.Continue})
	last := list(t, s, store.ListOptions{Limit: 4, Continue: second.Continue})
	lastAgain := list(t, s, store.ListOptions{Limit: 4, Continue: second.Continue})
	for name, test := range map[string]struct {
		page *store.Page
		want []string
	}{
		"first":         {first, []string{"r-0", "r-1", "r-2", "r-3"}},
		"second":        {second, []string{"r-4", "r-5", "r-6", "r-7"}},
		"second, again": {again, []string{"r-4", "r-5"}},
		"last":          {last, []string{"r-8", "r-9"}},
		"last, again":   {lastAgain, []string{"r-8", "r-9"}},
	} {
		if got := ids(test.page.Records); !slices.Equal(got, test.want) {
			t.Errorf("%s page has %v, want %v", name, got, test.want)
		}
		if test.page.Revision != revision {
			t.Errorf("%s page has revision %d, want %d", name, test.page.Revision, revision)
		}
	}
	if last.Continue != "" || string(second.Records[3].Spec) != "spec 7" {
		t.Errorf("continue %q after the last page, spec %q", last.Continue, second.Records[3].Spec)
	}
	if now := list(t, s, store.ListOptions{}); now.Revision != s.Revision() || len(now.Records) != 9 {
		t.Errorf("a new list has %d records of revision %d", len(now.Records), now.Revision)
	}
}

func TestAContinueTokenGoesWithItsFilters(t *testing.T) {
	s := open(t, t.TempDir())
	fillTen(t, s)
	first := store.ListOptions{DataType: dataType, Matches: "all", Match: func(*store.Meta) bool { return true }, Limit: 2}
	next := list(t, s, first).Continue
	for name, o := range map[string]store.ListOptions{
		"another data type": {DataType: "a.v1.b"}, "another match": {DataType: dataType, Matches: "none"},
		"a cluster": {DataType: dataType, Cluster: "c1"}, "a source": {Source: "s1"},
	} {
		o.Continue = next
		if _, err := s.List(o); resource.CodeOf(err) != resource.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	first.Continue = next
	list(t, s, first)
	if p := list(t, s, store.ListOptions{Continue: next, Limit: 100}); len(p.Records) != 8 {
		t.Errorf("%d records follow, want 8", len(p.Records))
	}
}

func TestAContinueTokenThatMeansNothingIsExpired(t *testing.T) {
	s := open(t, t.TempDir())
	fillTen(t, s)
	token := list(t, s, store.ListOptions{Limit: 1}).Continue
	for _, token := range []string{"x", "x.", ".", "x.eA", token[:20], token + "!", token[:26]} {
		_, err := s.List(store.ListOptions{Limit: 1, Continue: token})
		wantCode(t, err, resource.Expired)
	}
}

func TestAnOpenListLapses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir())
		fillTen(t, s)
		first := list(t, s, store.ListOptions{Limit: 1})
		next := store.ListOptions{Limit: 1, Continue: first.Continue}

		// Used every 29 s it lives, but for two minutes only.
		for range 4 {
			time.Sleep(29 * time.Second)
			list(t, s, next)
		}
		time.Sleep(4100 * time.Millisecond)
		synctest.Wait()
		_, err := s.List(next)
		wantCode(t, err, resource.Expired)

		// Unused it lives for 30 s.
		next.Continue = list(t, s, store.ListOptions{Limit: 1}).Continue
		time.Sleep(29 * time.Second)
		list(t, s, next)
		time.Sleep(31 * time.Second)
		synctest.Wait()
		_, err = s.List(next)
		wantCode(t, err, resource.Expired)
	})
}

func TestTheOldestListGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir())
		fillTen(t, s)
		var tokens []string
		for range 16 {
			tokens = append(tokens, list(t, s, store.ListOptions{Limit: 5}).Continue)
			time.Sleep(time.Millisecond)
		}
		// The sixth was read to its end: it is the first to go.
		list(t, s, store.ListOptions{Limit: 5, Continue: tokens[5]})
		for _, gone := range []int{5, 0, 1} {
			tokens = append(tokens, list(t, s, store.ListOptions{Limit: 5}).Continue)
			_, err := s.List(store.ListOptions{Limit: 1, Continue: tokens[gone]})
			wantCode(t, err, resource.Expired)
		}
		for _, token := range slices.Concat(tokens[2:5], tokens[6:]) {
			list(t, s, store.ListOptions{Limit: 1, Continue: token})
		}
	})
}

func TestAListThatFitsKeepsNothingOpen(t *testing.T) {
	s := open(t, t.TempDir())
	fillTen(t, s)
	token := list(t, s, store.ListOptions{Limit: 9}).Continue
	for range 20 {
		if got := list(t, s, store.ListOptions{Limit: 10}).Continue; got != "" {
			t.Errorf("continue is %q", got)
		}
	}
	list(t, s, store.ListOptions{Continue: token})
}

func TestCloseEndsOpenLists(t *testing.T) {
	s := open(t, t.TempDir())
	fillTen(t, s)
	token := list(t, s, store.ListOptions{Limit: 1}).Continue
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		closeStore(t, s)
	}()
	within(t, closed, "the store to close")
	_, err := s.List(store.ListOptions{Continue: token})
	wantCode(t, err, resource.Expired)
}

func TestWritersDoNotWaitForOpenLists(t *testing.T) {
	s := open(t, t.TempDir(), noSync)
	fillTen(t, s)
	token := list(t, s, store.ListOptions{Limit: 1}).Continue
	big := string(make([]byte, 1<<20))
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := range 40 { // far beyond the size that a mapping has by default
			put(t, s, key(fmt.Sprint("big-", i)), 1, big)
		}
	}()
	within(t, written, "the file to grow")
	list(t, s, store.ListOptions{Continue: token})
}

func TestAScanIsTheListInParts(t *testing.T) {
	s := open(t, t.TempDir())
	fillTen(t, s)
	var sizes []int
	var got []string
	o := store.ListOptions{Match: func(m *store.Meta) bool { return m.Key.ID != "r-3" }}
	err := s.Scan(o, 4, func(part []*store.Record) bool {
		sizes = append(sizes, len(part))
		for _, r := range part {
			got = append(got, r.Key.ID+"="+string(r.Spec))
		}
		put(t, s, key("r-9"), 20, "later") // not in the snapshot
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 10 {
		if i != 3 {
			want = append(want, fmt.Sprintf("r-%d=spec %d", i, i))
		}
	}
	if !slices.Equal(got, want) || !slices.Equal(sizes, []int{4, 4, 1}) {
		t.Errorf("%q in %d", got, sizes)
	}
}

func TestAScanEndsWhenNobodyWantsMore(t *testing.T) {
	s := open(t, t.TempDir())
	fillTen(t, s)
	parts := 0
	err := s.Scan(store.ListOptions{}, 2, func([]*store.Record) bool { parts++; return parts < 2 })
	if err != nil || parts != 2 {
		t.Errorf("%d parts, %v", parts, err)
	}
	closeStore(t, s) // it would wait for a transaction
	err = s.Scan(store.ListOptions{}, 2, func([]*store.Record) bool { t.Error("a part"); return false })
	wantCode(t, err, resource.Unavailable)
}
