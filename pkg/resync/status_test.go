package resync_test

import (
	"slices"
	"testing"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resync"
)

func TestAnswerStatuses(t *testing.T) {
	entries := []resync.StatusEntry{
		{ID: "a", Hash: "ha", RawHash: "ra", HasStatus: true},
		{ID: "b", Hash: "hb", RawHash: "rb", HasStatus: true},
		{ID: "none"},
	}
	for name, c := range map[string]struct {
		listed []event.ResourceHash
		want   []string
	}{
		"empty asks for all":     {nil, []string{"a", "b"}},
		"same":                   {[]event.ResourceHash{{ResourceID: "a", StatusHash: "ha"}}, nil},
		"same in field order":    {[]event.ResourceHash{{ResourceID: "a", StatusHash: "ra"}}, nil},
		"another":                {[]event.ResourceHash{{ResourceID: "a", StatusHash: "rb"}}, []string{"a"}},
		"none at the source":     {[]event.ResourceHash{{ResourceID: "b"}}, []string{"b"}},
		"none at the agent":      {[]event.ResourceHash{{ResourceID: "none", StatusHash: "x"}}, nil},
		"unknown":                {[]event.ResourceHash{{ResourceID: "c", StatusHash: "x"}}, nil},
		"in the agent's order":   {[]event.ResourceHash{{ResourceID: "b", StatusHash: "x"}, {ResourceID: "a", StatusHash: "x"}}, []string{"a", "b"}},
		"listed twice, as first": {[]event.ResourceHash{{ResourceID: "a", StatusHash: "x"}, {ResourceID: "a", StatusHash: "ha"}}, []string{"a"}},
	} {
		got := resync.AnswerStatuses(&event.StatusRequest{StatusHashes: c.listed}, slices.Values(entries))
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// FuzzAnswerStatuses: however a list is cut, an agent sends the same, and that
// is what docs/protocol.md says.
func FuzzAnswerStatuses(f *testing.F) {
	f.Add([]byte{1, 2, 3, 0x41, 0x82}, []byte{1, 0x22, 0x43}, 100)
	f.Add([]byte{1, 2}, []byte{}, 1)
	f.Fuzz(func(t *testing.T, held, listed []byte, maxBytes int) {
		hash := func(b byte) string { return []string{"", "h1", "h2", "h3"}[b&3] }
		var entries []resync.StatusEntry
		for _, b := range held {
			e := resync.StatusEntry{ID: fuzzedID(b), Hash: hash(b >> 3), RawHash: hash(b >> 5), HasStatus: b&0x80 == 0}
			if !slices.ContainsFunc(entries, func(other resync.StatusEntry) bool { return other.ID == e.ID }) {
				entries = append(entries, e)
			}
		}
		hashes := map[string]string{}
		var list []event.ResourceHash
		for _, b := range listed {
			id := fuzzedID(b)
			if _, twice := hashes[id]; !twice {
				hashes[id] = hash(b >> 3)
				list = append(list, event.ResourceHash{ResourceID: id, StatusHash: hashes[id]})
			}
		}
		var want, got []string
		for _, e := range entries {
			theirs, asked := hashes[e.ID]
			same := theirs == e.Hash || theirs == e.RawHash
			if e.HasStatus && (len(list) == 0 || asked && !same) {
				want = append(want, e.ID)
			}
		}
		for _, req := range resync.CutStatuses(list, maxBytes) {
			got = append(got, resync.AnswerStatuses(req, slices.Values(entries))...)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%v of %+v: sends %v, want %v", list, entries, got, want)
		}
	})
}
