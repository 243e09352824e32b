package localapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// FuzzScan holds the scanner against encoding/json: the same is taken, the
// members are the same, and compacting changes nothing but space.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a" : [1, {"b":null}] , "c":"}\"{"}`, "{\"a\":\n\t[ ]}", `[1,2]`, `"x"`, `-1.5e3`,
		`{"":{"":{}}}`, `{"\u0061\n":true,"a":false}`, `{"a":"\\"}`, `{"a":1}x`, strings.Repeat("[", 600), "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if fault := jsonFault(data); fault != "" {
			if json.Valid(data) && fault != "is not UTF-8" && fault != "is nested too deeply" {
				t.Fatalf("valid JSON %s", fault)
			}
			return
		}
		var want map[string]json.RawMessage
		isObject := json.Unmarshal(data, &want) == nil && want != nil
		got := map[string]json.RawMessage{}
		if members(data, func(name string, value []byte) { got[name] = bytes.Clone(value) }) != isObject {
			t.Fatalf("is an object: %v", isObject)
		}
		if isObject && !reflect.DeepEqual(got, want) {
			t.Fatalf("members %q, want %q", got, want)
		}
		var small bytes.Buffer
		if err := json.Compact(&small, data); err != nil {
			t.Fatal(err)
		}
		if got := compact(bytes.Clone(data)); !bytes.Equal(got, small.Bytes()) {
			t.Fatalf("compacted to %q, want %q", got, small.Bytes())
		}
	})
}

// FuzzDecode feeds every decoder: none may panic, and what is taken must keep
// the promises that backends rely on.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `{"spec":{"a":1},"metadata":{},"version":3,"id":"x"}`, `{"specBase64":"AA==","contentType":"text/plain"}`, `{"specBase64":"AA==","contentType":"text/x+json"}`,
		`{"max":5,"wait":"1s","leaseFor":"5s","dataTypes":["a.b.c"]}`, `{"result":"failed","retry":false,"status":{}}`,
		`{"key":{"dataType":"a.b.c","cluster":"c","id":"x"}}`, `{"all":true}`, `{"cluster":"c","source":"s","allowDeletes":true}`, `{"dataTypes":[[]]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 0 && jsonFault(data) != "" {
			return // readBody lets nothing else pass
		}
		key := resource.Key{DataType: "a.b.c", Cluster: "c", ID: "x"}
		if req, err := decodePut(bytes.Clone(data), key); told(t, err) {
			isJSON := req.Spec.ContentType == resource.JSONContentType || strings.HasSuffix(req.Spec.ContentType, "+json")
			if len(req.Spec.Data) == 0 || req.Spec.ContentType == "" || isJSON && !json.Valid(req.Spec.Data) || req.Version < 0 || req.Version > resource.MaxVersion {
				t.Errorf("put %+v", req)
			}
			if len(req.Metadata) > 0 && (req.Metadata[0] != '{' || !json.Valid(req.Metadata)) {
				t.Errorf("metadata %s", req.Metadata)
			}
		}
		patch := resource.PatchRequest{Key: key, Patch: bytes.Clone(data)}
		if told(t, decodePatch(&patch)) && (!json.Valid(patch.Patch) || patch.Version < 0) {
			t.Errorf("patch %+v", patch)
		}
		if status, err := decodeStatus(bytes.Clone(data)); told(t, err) && (status[0] != '{' || !json.Valid(status)) {
			t.Errorf("status %s", status)
		}
		if req, err := decodeLease(bytes.Clone(data), "q"); told(t, err) && (req.Max < 1 || req.Max > maxLeaseItems || req.Wait < 0 || req.Wait > maxLeaseWait || req.LeaseFor < minLeaseFor || req.LeaseFor > maxLeaseFor) {
			t.Errorf("lease %+v", req)
		}
		if result, err := decodeResult(bytes.Clone(data)); told(t, err) && (result.Result == "" || result.RequeueAfter < 0) {
			t.Errorf("result %+v", result)
		}
		if req, err := decodeRequeue(bytes.Clone(data), "q", false); told(t, err) && (req.Key != nil) == req.All {
			t.Errorf("requeue %+v", req)
		}
		_, err := decodeResync(bytes.Clone(data))
		told(t, err)
		_, err = decodeScope(bytes.Clone(data))
		told(t, err)
	})
}

// told checks that an error is one for the caller, and returns whether there is
// none.
func told(t *testing.T, err error) bool {
	t.Helper()
	var e *resource.Error
	if err != nil && (!errors.As(err, &e) || e.Code != resource.InvalidArgument || len(e.Fields) == 0) {
		t.Errorf("error %#v", err)
	}
	return err == nil
}

// FuzzPath holds the routes against any path: an id comes out as it went in,
// whatever it is made of.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"dev-1", "a/b", "/", "..", "世界", "%2F", "a?b#c", "", "status", "\xff\x00"} {
		f.Add(seed)
	}
	routes := New(Options{}).routes
	f.Fuzz(func(t *testing.T, id string) {
		_, _ = splitPath(id) // any escaped path
		segments, err := splitPath("/v1/resources/a.b.c/cluster1/" + url.PathEscape(id))
		if err != nil {
			t.Fatal(err)
		}
		if len(segments) != 5 || segments[4] != id {
			t.Fatalf("segments %q", segments)
		}
		for i := range routes {
			if fits := routes[i].fits(segments); fits != (routes[i].Pattern == "/v1/resources/{dataType}/{cluster}/{id}") {
				t.Errorf("%s fits: %v", routes[i].String(), fits)
			}
		}
	})
}

func FuzzQuery(f *testing.F) {
	f.Add("limit=1&state=pending")
	f.Add("limit=%zz;")
	f.Fuzz(func(t *testing.T, raw string) {
		known := []string{"limit", "state", "exclude"}
		query, err := parseQuery(raw, known)
		if err != nil {
			return
		}
		for name, values := range query {
			if len(values) != 1 && name != "exclude" {
				t.Errorf("%s has %d values", name, len(values))
			}
		}
	})
}

func FuzzTag(f *testing.F) {
	for _, seed := range []string{`"1"`, `W/"1"`, `1`, `"`, `""`, `W/`, ` "7" `} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if revision, err := parseTag(text); err == nil {
			if again, err := parseTag(etag(revision)); err != nil || again != revision {
				t.Errorf("%q: %s, again %s, %v", text, revision, again, err)
			}
		}
	})
}
