package resync_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resync"
)

var asked = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func pointer(s string) *string { return &s }

// One resource at the source, and what the agent lists.
func TestAnswerSpecsOfOneResource(t *testing.T) {
	listed := func(version int64) []event.ResourceVersion {
		return []event.ResourceVersion{{ResourceID: "a", ResourceVersion: version}}
	}
	send, confirmed := resync.SpecAnswer{Send: []string{"a"}}, resync.SpecAnswer{Confirmed: []string{"a"}}
	for name, c := range map[string]struct {
		listed []event.ResourceVersion
		entry  resync.SpecEntry
		want   resync.SpecAnswer
	}{
		"missing":                   {nil, resync.SpecEntry{Version: 1}, send},
		"older":                     {listed(1), resync.SpecEntry{Version: 2}, send},
		"same":                      {listed(2), resync.SpecEntry{Version: 2}, confirmed},
		"newer":                     {listed(3), resync.SpecEntry{Version: 2}, resync.SpecAnswer{Ahead: []resync.ResourceAhead{{ID: "a", Version: 3}}}},
		"no versions":               {listed(3), resync.SpecEntry{}, send},
		"no versions on both sides": {listed(0), resync.SpecEntry{}, send},
		"deleting, same":            {listed(2), resync.SpecEntry{Version: 2, Deleting: true}, send},
		"deleting, newer":           {listed(3), resync.SpecEntry{Version: 2, Deleting: true}, send},
		"deleting, missing":         {nil, resync.SpecEntry{Version: 2, Deleting: true}, send},
		"gone":                      {listed(2), resync.SpecEntry{Version: 2, Gone: true}, send},
		"gone, missing":             {nil, resync.SpecEntry{Version: 2, Gone: true}, resync.SpecAnswer{}},
		"gone before the request":   {listed(2), resync.SpecEntry{Gone: true, GoneConfirmedAt: asked.Add(-1)}, send},
		"gone after the request":    {listed(2), resync.SpecEntry{Gone: true, GoneConfirmedAt: asked.Add(1)}, resync.SpecAnswer{}},
		"of this source": {[]event.ResourceVersion{{ResourceID: "a", ResourceVersion: 2, Source: "hub1"}},
			resync.SpecEntry{Version: 2}, confirmed},
		"of another source": {[]event.ResourceVersion{{ResourceID: "a", ResourceVersion: 2, Source: "hub2"}},
			resync.SpecEntry{Version: 2}, send},
		"listed twice": {[]event.ResourceVersion{{ResourceID: "a", ResourceVersion: 2}, {ResourceID: "a", ResourceVersion: 1}},
			resync.SpecEntry{Version: 2}, confirmed},
	} {
		c.entry.ID = "a"
		req := &event.SpecRequest{ResourceVersions: c.listed}
		got := resync.AnswerSpecs(req, asked, "hub1", slices.Values([]resync.SpecEntry{c.entry}))
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestAnswerSpecsToUnknown(t *testing.T) {
	req := &event.SpecRequest{ResourceVersions: []event.ResourceVersion{
		{ResourceID: "z", ResourceVersion: 7}, {ResourceID: "known", ResourceVersion: 1}, {ResourceID: "gone", ResourceVersion: 1},
		{ResourceID: "y", ResourceVersion: 1, Source: "hub1"}, {ResourceID: "x", Source: "hub2"}, {ResourceID: "z", ResourceVersion: 8},
	}}
	got := resync.AnswerSpecs(req, asked, "hub1", slices.Values([]resync.SpecEntry{
		{ID: "known", Version: 1}, {ID: "gone", Gone: true, GoneConfirmedAt: asked.Add(time.Second)}}))
	want := resync.SpecAnswer{Confirmed: []string{"known"},
		Unknown: []event.ResourceVersion{{ResourceID: "z", ResourceVersion: 7}, {ResourceID: "y", ResourceVersion: 1, Source: "hub1"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestAnswerSpecsInRange(t *testing.T) {
	entries := []resync.SpecEntry{{ID: "a", Version: 1}, {ID: "b", Version: 1}, {ID: "c", Version: 1}, {ID: "d", Version: 1}}
	for _, c := range []struct {
		from, to *string
		send     []string
		unknown  int
	}{
		{nil, nil, []string{"a", "b", "c", "d"}, 3},
		{pointer(""), pointer("b"), []string{"a", "b"}, 1},
		{pointer("b"), pointer("c"), []string{"b", "c"}, 1},
		{pointer("b\x00"), nil, []string{"c", "d"}, 2},
		{nil, pointer(""), nil, 0},
		{pointer("c"), pointer("b"), nil, 0},
	} {
		req := &event.SpecRequest{From: c.from, To: c.to, ResourceVersions: []event.ResourceVersion{
			{ResourceID: "a1"}, {ResourceID: "b1"}, {ResourceID: "c1"}}}
		got := resync.AnswerSpecs(req, asked, "hub1", slices.Values(entries))
		if !slices.Equal(got.Send, c.send) || len(got.Unknown) != c.unknown {
			t.Errorf("%v: %+v", mustMarshal(t, req), got)
		}
	}
}

// A large resync is answered in one pass.
func BenchmarkAnswerSpecs(b *testing.B) {
	for _, n := range []int{1000, 100000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			req, entries := &event.SpecRequest{}, make([]resync.SpecEntry, n)
			for i := range entries {
				id := fmt.Sprintf("resource-%d", i)
				entries[i] = resync.SpecEntry{ID: id, Version: 2}
				req.ResourceVersions = append(req.ResourceVersions, event.ResourceVersion{ResourceID: id, ResourceVersion: int64(i % 3)})
			}
			for b.Loop() {
				resync.AnswerSpecs(req, asked, "hub1", slices.Values(entries))
			}
		})
	}
}

// FuzzAnswerSpecs answers a request as docs/protocol.md puts it, resource by
// resource.
func FuzzAnswerSpecs(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, []byte{9, 1, 17, 2, 33, 3}, byte(0x21))
	f.Add([]byte{0x12, 0x34, 0x52}, []byte{}, byte(0))
	f.Fuzz(func(t *testing.T, held, listed []byte, bounds byte) {
		entries, req := fuzzedEntries(held), fuzzedRequest(listed, bounds)
		got := resync.AnswerSpecs(req, asked, "hub1", slices.Values(entries))
		var want resync.SpecAnswer
		for _, e := range entries {
			if out(req, e.ID) {
				continue
			}
			version, listed := lookUp(req, e.ID)
			switch {
			case e.Gone && (!listed || e.GoneConfirmedAt.After(asked)):
			case e.Gone, e.Deleting, e.Version == 0, e.Version > version:
				want.Send = append(want.Send, e.ID)
			case e.Version == version:
				want.Confirmed = append(want.Confirmed, e.ID)
			default:
				want.Ahead = append(want.Ahead, resync.ResourceAhead{ID: e.ID, Version: version})
			}
		}
		for i, v := range req.ResourceVersions {
			here := func(e resync.SpecEntry) bool { return e.ID == v.ResourceID }
			before := func(w event.ResourceVersion) bool { return w.ResourceID == v.ResourceID && w.Source != "hub2" }
			if v.Source != "hub2" && !out(req, v.ResourceID) && !slices.ContainsFunc(entries, here) &&
				!slices.ContainsFunc(req.ResourceVersions[:i], before) {
				want.Unknown = append(want.Unknown, v)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v of %+v: got %+v, want %+v", req, entries, got, want)
		}
	})
}

// fuzzedID is one of eight.
func fuzzedID(b byte) string { return string(rune('a' + b%8)) }

// fuzzedEntries are resources of a source, each once.
func fuzzedEntries(data []byte) (entries []resync.SpecEntry) {
	seen := map[string]bool{}
	for _, b := range data {
		e := resync.SpecEntry{ID: fuzzedID(b), Version: int64(b >> 3 & 3), Deleting: b&0x20 != 0, Gone: b&0x40 != 0}
		if b&0x80 != 0 {
			e.GoneConfirmedAt = asked.Add(time.Duration(b&1) * time.Second)
		}
		if !seen[e.ID] {
			entries = append(entries, e)
		}
		seen[e.ID] = true
	}
	return entries
}

// fuzzedRequest lists ids of three owners, some more than once.
func fuzzedRequest(data []byte, bounds byte) *event.SpecRequest {
	req := &event.SpecRequest{}
	for _, b := range data {
		req.ResourceVersions = append(req.ResourceVersions, event.ResourceVersion{ResourceID: fuzzedID(b),
			ResourceVersion: int64(b >> 3 & 3), Source: []string{"", "", "hub1", "hub2"}[b>>5&3]})
	}
	if bounds&0x08 != 0 {
		req.From = pointer(fuzzedID(bounds))
	}
	if bounds&0x80 != 0 {
		req.To = pointer(fuzzedID(bounds >> 4))
	}
	return req
}

func out(req *event.SpecRequest, id string) bool {
	return req.From != nil && id < *req.From || req.To != nil && id > *req.To
}

// lookUp is the version of the first entry of an id that is no other source's.
func lookUp(req *event.SpecRequest, id string) (version int64, listed bool) {
	for _, v := range req.ResourceVersions {
		if v.ResourceID == id && v.Source != "hub2" {
			return v.ResourceVersion, true
		}
	}
	return 0, false
}
