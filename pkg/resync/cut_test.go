package resync_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resync"
)

func mustMarshal(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func versions(n int) []event.ResourceVersion {
	list := make([]event.ResourceVersion, n)
	for i := range list {
		list[i] = event.ResourceVersion{ResourceID: fmt.Sprintf("id-%05d", i), ResourceVersion: int64(i), Source: "hub1"}
	}
	return list
}

func TestCutSpecsThatFit(t *testing.T) {
	entries := versions(10)
	size := len(mustMarshal(t, event.SpecRequest{ResourceVersions: entries}))
	for _, maxBytes := range []int{0, size, size + 1, 1 << 20} {
		req, next := resync.CutSpecs(entries, maxBytes, "")
		if req.From != nil || req.To != nil || next != "" || !slices.Equal(req.ResourceVersions, entries) {
			t.Errorf("limit %d: %s, next %q", maxBytes, mustMarshal(t, req), next)
		}
	}
	if req, next := resync.CutSpecs(entries, size-1, ""); req.From == nil || *req.From != "" || req.To == nil || next == "" {
		t.Errorf("one byte too long: %s, next %q", mustMarshal(t, req), next)
	}
	if req, next := resync.CutSpecs(nil, 10, ""); mustMarshal(t, req) != `{"resourceVersions":[]}` || next != "" {
		t.Errorf("nothing: %s, next %q", mustMarshal(t, req), next)
	}
}

// The rest of a list whose end has gone meanwhile is still asked for.
func TestCutSpecsFromBeyondTheEnd(t *testing.T) {
	req, next := resync.CutSpecs(versions(3), 1000, "x")
	if got := mustMarshal(t, req); got != `{"resourceVersions":[],"from":"x"}` || next != "" {
		t.Errorf("%s, next %q", got, next)
	}
}

func TestCutSpecsMakesProgress(t *testing.T) {
	from, n := "", 0
	for {
		req, next := resync.CutSpecs(versions(3), 1, from)
		if len(req.ResourceVersions) != 1 {
			t.Fatalf("%s", mustMarshal(t, req))
		}
		n++
		if from = next; next == "" {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d requests for 3 entries", n)
	}
}

// checkCut cuts entries and lets a source answer each request. The source has
// all that is listed, and more between: that more is sent once, and nothing
// else.
func checkCut(t *testing.T, entries []event.ResourceVersion, maxBytes int) {
	t.Helper()
	var held []resync.SpecEntry
	var want []string
	for _, e := range entries {
		held = append(held, resync.SpecEntry{ID: e.ResourceID, Version: e.ResourceVersion})
		for _, id := range []string{e.ResourceID + " ", e.ResourceID + "\x01"} {
			held = append(held, resync.SpecEntry{ID: id, Version: 1})
			want = append(want, id)
		}
	}
	var listed []event.ResourceVersion
	var sent []string
	for from, more := "", true; more; {
		req, next := resync.CutSpecs(entries, maxBytes, from)
		if size := len(mustMarshal(t, req)); size > maxBytes && len(req.ResourceVersions) > 1 {
			t.Errorf("%d bytes in a request, limit %d", size, maxBytes)
		}
		answer := resync.AnswerSpecs(req, asked, "hub1", slices.Values(held))
		listed, sent = append(listed, req.ResourceVersions...), append(sent, answer.Send...)
		if len(answer.Unknown)+len(answer.Ahead) > 0 {
			t.Errorf("%s: %+v", mustMarshal(t, req), answer)
		}
		from, more = next, next != ""
	}
	slices.Sort(want)
	slices.Sort(sent)
	if !slices.Equal(listed, entries) || !slices.Equal(sent, want) {
		t.Errorf("limit %d: listed %v of %v; sent %q, want %q", maxBytes, listed, entries, sent, want)
	}
}

func TestCutSpecsLeavesOutNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		seen := map[string]bool{}
		var entries []event.ResourceVersion
		for range random.IntN(40) {
			id := strings.Repeat(string("a<"[random.IntN(2)]), 1+random.IntN(60)) + fmt.Sprint(random.IntN(20))
			if !seen[id] {
				seen[id] = true
				entries = append(entries, event.ResourceVersion{ResourceID: id, ResourceVersion: 1 + random.Int64N(1e9)})
			}
		}
		slices.SortFunc(entries, func(a, b event.ResourceVersion) int { return strings.Compare(a.ResourceID, b.ResourceID) })
		checkCut(t, entries, 60+random.IntN(2000))
	}
}

func FuzzCutSpecs(f *testing.F) {
	f.Add("b a c/d <&>", 90)
	f.Fuzz(func(t *testing.T, ids string, maxBytes int) {
		if maxBytes <= 0 {
			return
		}
		// A fuzzed id may be the neighbour that checkCut makes of another one.
		words := strings.FieldsFunc(strings.ToValidUTF8(ids, ""), func(r rune) bool { return r <= ' ' })
		slices.Sort(words)
		var entries []event.ResourceVersion
		for _, id := range slices.Compact(words) {
			entries = append(entries, event.ResourceVersion{ResourceID: id, ResourceVersion: 1})
		}
		checkCut(t, entries, maxBytes)
	})
}

func TestCutStatuses(t *testing.T) {
	hashes := make([]event.ResourceHash, 100)
	for i := range hashes {
		hashes[i] = event.ResourceHash{ResourceID: strings.Repeat("<", i%50) + fmt.Sprint(i), StatusHash: strings.Repeat("f", 64)}
	}
	whole := len(mustMarshal(t, event.StatusRequest{StatusHashes: hashes}))
	for _, maxBytes := range []int{0, 1, 200, 500, 1000, 3000, whole - 1, whole, 1 << 20} {
		var all []event.ResourceHash
		requests := resync.CutStatuses(hashes, maxBytes)
		for _, req := range requests {
			if len(req.StatusHashes) == 0 {
				t.Errorf("limit %d: an empty request asks for everything", maxBytes)
			}
			if size := len(mustMarshal(t, req)); maxBytes > 0 && size > maxBytes && len(req.StatusHashes) > 1 {
				t.Errorf("limit %d: %d bytes", maxBytes, size)
			}
			all = append(all, req.StatusHashes...)
		}
		if !slices.Equal(all, hashes) {
			t.Errorf("limit %d: %d of %d hashes", maxBytes, len(all), len(hashes))
		}
		if fits := maxBytes == 0 || maxBytes >= whole; fits != (len(requests) == 1) {
			t.Errorf("limit %d, whole %d: %d requests", maxBytes, whole, len(requests))
		}
	}
	if requests := resync.CutStatuses(nil, 10); len(requests) != 1 || mustMarshal(t, requests[0]) != `{"statusHashes":[]}` {
		t.Errorf("no hashes: %v", requests)
	}
}
