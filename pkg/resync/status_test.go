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
