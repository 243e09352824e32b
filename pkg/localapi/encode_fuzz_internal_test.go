package localapi

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// FuzzAppendEvent holds the line of an event against encoding/json: it says the
// same, and is one line whatever space peers have put into their JSON.
func FuzzAppendEvent(f *testing.F) {
	for _, seed := range []string{`{}`, "{\n \"a\" :\t[1,\r\n2] }", `"a\nb"`, "\n1\n", `{"a":"\u2028"}`, "[\"\u2028\"]"} {
		f.Add([]byte(seed), "dev-1", "text/plain", int64(3), uint64(7))
	}
	f.Fuzz(func(t *testing.T, raw []byte, id, text string, version int64, revision uint64) {
		if jsonFault(raw) != "" {
			raw = nil
		}
		event := resource.WatchEvent{Type: resource.WatchModified, Resource: &resource.Resource{
			Key: resource.Key{DataType: "a.b.c", Source: "s", Cluster: "c", ID: id}, Version: version, Revision: resource.Revision(revision),
			Spec: raw, Metadata: raw, Status: raw, SpecBase64: []byte(text), ContentType: text, SequenceID: text,
			Sync: resource.Sync{State: resource.Pending, PublishedVersion: version, Error: text},
		}}
		before := bytes.Clone(raw)
		line := appendEvent(nil, &event)
		if bytes.IndexByte(line, '\n') != len(line)-1 || !json.Valid(line) {
			t.Fatalf("not one line: %q", line)
		}
		if !bytes.Equal(raw, before) {
			t.Fatalf("the resource was changed: %q, before %q", raw, before)
		}
		sameJSON(t, line, event)
	})
}
