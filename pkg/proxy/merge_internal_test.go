package proxy

import (
	"encoding/json"
	"reflect"
	"testing"
)

// The cases of RFC 7386, appendix A, and what its text says beside them.
func TestMerge(t *testing.T) {
	for _, c := range []struct{ doc, patch, want string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{``, `{"a":1}`, `{"a":1}`},
		{`{}`, `{"a":[{"b":null}]}`, `{"a":[{"b":null}]}`}, // a list is taken as it is
		{`{"n":12345678901234567890.50,"s":"<&>"}`, `{"m":1e400}`, `{"m":1e400,"n":12345678901234567890.50,"s":"<&>"}`},
	} {
		got, err := merge([]byte(c.doc), []byte(c.patch))
		if err != nil || string(got) != c.want {
			t.Errorf("%s with %s: %s, %v; want %s", c.doc, c.patch, got, err, c.want)
		}
	}
}

// FuzzMerge: what is merged once stays when it is merged again, and what the
// patch does not name is not touched.
func FuzzMerge(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1}}`), []byte(`{"a":{"b":null},"c":[{"d":null}]}`))
	f.Add([]byte(`[1]`), []byte(`{"a":{"b":null}}`))
	f.Fuzz(func(t *testing.T, doc, patch []byte) {
		if !json.Valid(doc) || !json.Valid(patch) {
			return
		}
		once, err := merge(doc, patch)
		if err != nil || !json.Valid(once) {
			t.Fatalf("%s, %v", once, err)
		}
		again, err := merge(once, patch)
		if err != nil || string(again) != string(once) {
			t.Fatalf("once %s, again %s, %v", once, again, err)
		}
		var before, changes, after map[string]any
		if json.Unmarshal(doc, &before) != nil || json.Unmarshal(patch, &changes) != nil || json.Unmarshal(once, &after) != nil || changes == nil {
			return
		}
		for name, value := range before {
			if _, named := changes[name]; !named && !reflect.DeepEqual(after[name], value) {
				t.Errorf("%s: %v became %v", name, value, after[name])
			}
		}
	})
}
