package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/store"
)

func TestTheObjectRevisionLeavesOutHowFarAResourceHasTravelled(t *testing.T) {
	s := open(t, t.TempDir())
	for _, step := range []struct {
		name    string
		write   store.Write
		version int64
		moves   bool
	}{
		{"made", store.Write{Visible: true, SpecChanged: true, Spec: payload("spec")}, 1, true},
		{"published", store.Write{Visible: true}, 1, false},
		{"a status", store.Write{Visible: true, Status: payload("status")}, 1, true},
		{"marked silently", store.Write{}, 1, false},
		{"of this side", store.Write{Visible: true, Local: payload("local")}, 1, true},
		{"raised", store.Write{Visible: true}, 2, true},
		{"another spec", store.Write{Visible: true, SpecChanged: true, Spec: payload("other")}, 2, true},
	} {
		before := store.Meta{Key: key("a")}
		if m := s.Meta(key("a")); m != nil {
			before = *m
		}
		update(t, s, func(tx *store.Tx) {
			m := before
			m.Version = step.version
			tx.Put(m, step.write)
		})
		m := s.Meta(key("a"))
		want := before.ObjectRevision
		if step.moves {
			want = m.Revision
		}
		if m.ObjectRevision != want {
			t.Errorf("%s: object revision %d, want %d", step.name, m.ObjectRevision, want)
		}
	}
}

func TestAListInAnOrderOfTheCallers(t *testing.T) {
	s := open(t, t.TempDir())
	fillTen(t, s)
	backwards := func(metas []*store.Meta) {
		slices.SortFunc(metas, func(a, b *store.Meta) int { return strings.Compare(b.Key.ID, a.Key.ID) })
	}
	o := store.ListOptions{Sort: backwards, Limit: 4}
	var got []string
	for {
		p := list(t, s, o)
		for _, r := range p.Records {
			got = append(got, r.Key.ID)
		}
		if o.Continue = p.Continue; o.Continue == "" {
			break
		}
	}
	if fmt.Sprint(got) != "[r-9 r-8 r-7 r-6 r-5 r-4 r-3 r-2 r-1 r-0]" {
		t.Errorf("listed %v", got)
	}
}
