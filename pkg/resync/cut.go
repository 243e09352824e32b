package resync

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/pillion-dev/pillion/pkg/event"
)

// CutSpecs makes one spec resync request of at most maxBytes of JSON (0 = no
// limit) from the entries at from and above; from "" is the beginning. The
// entries must be in byte order of their ids.
//
// If all fit into one request, it has no bounds. Else From and To bound it,
// and next is where the following request begins; next is "" after the last
// one, which is open-ended. Consecutive ranges leave out no id, listed or not,
// and list each entry once. A request holds at least one entry, even if that
// is over the limit.
func CutSpecs(entries []event.ResourceVersion, maxBytes int, from string) (req *event.SpecRequest, next string) {
	first, _ := slices.BinarySearchFunc(entries, from, func(e event.ResourceVersion, id string) int {
		return strings.Compare(e.ResourceID, id)
	})
	entries = entries[first:]
	n := len(entries)
	if maxBytes > 0 {
		n = fittingSpecs(entries, maxBytes, from)
	}
	req = &event.SpecRequest{ResourceVersions: entries[:n:n]}
	if from != "" || n < len(entries) {
		req.From = &from
	}
	if n == len(entries) {
		return req, ""
	}
	last := entries[n-1].ResourceID
	req.To = &last
	return req, successor(last)
}

// successor is the least string above s in byte order, so that no id lies
// between a range that ends with s and the next one.
func successor(s string) string { return s + "\x00" }

// fittingSpecs counts the entries that fit, at least one if there is any: all
// of them without an end, or as many as leave room for the end of the range.
func fittingSpecs(entries []event.ResourceVersion, maxBytes int, from string) int {
	whole := event.SpecRequest{}
	if from != "" {
		whole.From = &from
	}
	frame := jsonSize(whole)
	endedFrame := jsonSize(event.SpecRequest{From: &from}) + len(`,"to":`)
	size, n := 0, 1
	for i, e := range entries {
		size += itemSize(i, e)
		if frame+size > maxBytes {
			return n
		}
		if endedFrame+jsonSize(e.ResourceID)+size <= maxBytes {
			n = i + 1
		}
	}
	return len(entries)
}

// CutStatuses makes status resync requests of at most maxBytes of JSON each
// (0 = no limit), in the order of the hashes. None is empty, unless hashes is:
// an empty request asks for every status. A request holds at least one hash,
// even if that is over the limit.
func CutStatuses(hashes []event.ResourceHash, maxBytes int) []*event.StatusRequest {
	if maxBytes <= 0 || len(hashes) == 0 {
		return []*event.StatusRequest{{StatusHashes: hashes}}
	}
	frame := jsonSize(event.StatusRequest{})
	var requests []*event.StatusRequest
	start, size := 0, frame
	for i, h := range hashes {
		size += itemSize(i-start, h)
		if i > start && size > maxBytes {
			requests = append(requests, &event.StatusRequest{StatusHashes: hashes[start:i:i]})
			start, size = i, frame+itemSize(0, h)
		}
	}
	return append(requests, &event.StatusRequest{StatusHashes: hashes[start:]})
}

// itemSize is what the item at index i adds to a list.
func itemSize(i int, item any) int {
	if i == 0 {
		return jsonSize(item)
	}
	return len(",") + jsonSize(item)
}

// jsonSize is the number of bytes of v as JSON.
func jsonSize(v any) int {
	data, err := json.Marshal(v)
	if err != nil {
		return 0 // the types here marshal always
	}
	return len(data)
}
