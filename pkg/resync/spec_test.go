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
