package event_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
)

func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		`{"b":1,"a":[true,null,"x"]}`: `{"a":[true,null,"x"],"b":1}`,
		" { } ":                       `{}`,
		`{"a":{"z":1,"y":2},"A":0}`:   `{"A":0,"a":{"y":2,"z":1}}`,
		`"<a&b>"`:                     `"\u003ca\u0026b\u003e"`,
		`"\u003c\/\u00e9\u2028"`:      `"\u003c/é\u2028"`,
		`[9007199254740993,-9223372036854775808,18446744073709551615]`: `[9007199254740993,-9223372036854775808,18446744073709551615]`,
		`[1.0,1.50,1e3,18446744073709551616,1e21,1e-7]`:                `[1,1.5,1000,18446744073709552000,1e+21,1e-7]`,
		`{"a":1,"a":2}`: `{"a":2}`,
		"\"\xff\"":      "\"�\"",
		`null`:          `null`,
	} {
		if got, err := event.Canonical([]byte(in)); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v; want %s", in, got, err, want)
		}
	}
}

func TestCanonicalErrors(t *testing.T) {
	for _, in := range []string{"", "x", "{", `{} {}`, "1 2", `{"a":1}x`, "1e400", strings.Repeat("[", 1001) + strings.Repeat("]", 1001)} {
		if got, err := event.Canonical([]byte(in)); err == nil {
			t.Errorf("%.20s: %s", in, got)
		}
	}
}

// Brackets within strings are no nesting, and what nests up to the bound is
// taken.
func TestCanonicalDepth(t *testing.T) {
	for _, in := range []string{
		`"` + strings.Repeat("[", 2000) + `"`,
		`{"a\"[[[[":"` + strings.Repeat(`\"{`, 2000) + `"}`,
		strings.Repeat("[", 1000) + strings.Repeat("]", 1000),
		"[" + strings.Repeat("[],", 2000) + "[]]",
	} {
		if _, err := event.Canonical([]byte(in)); err != nil {
			t.Errorf("%.20s: %v", in, err)
		}
	}
}

// Hostile input of the size of a packet takes time in proportion to its size.
func TestCanonicalOfHostileInputIsQuick(t *testing.T) {
	const size = 1 << 18
	deep := strings.Repeat(`{"a":`, 999) + "1" + strings.Repeat("}", 999)
	for name, in := range map[string]string{
		"open":    strings.Repeat("[", size),
		"objects": "[" + strings.Repeat("{},", size/3) + "0]",
		"deep":    "[" + strings.Repeat(deep+",", size/len(deep)) + "0]",
		"digits":  strings.Repeat("9", size),
		"keys":    `{"` + strings.Repeat(`":0,"`, size/5) + `":0}`,
	} {
		start := time.Now()
		_, _ = event.Canonical([]byte(in))
		event.IsDeleted([]byte(in))
		event.RawStatusHash([]byte(in))
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

// The hashes that SDK agents sent with their statuses.
func TestStatusHashOfCaptures(t *testing.T) {
	for _, number := range []string{"02", "09", "12", "23", "26"} {
		c := readCapture(t, number)
		status := []byte(c.Captured.Payload)
		if c.property("ce-metadata") != "" {
			status = workStatus(t, status)
		}
		if got, err := event.StatusHash(status); err != nil || got != c.property("ce-statushash") {
			t.Errorf("capture %s: %s, %v; want %s", number, got, err, c.property("ce-statushash"))
		}
	}
}

// workStatus is the status of a work, whose payload has another form
// (docs/protocol.md, ManifestWork on top).
func workStatus(t *testing.T, payload []byte) []byte {
	t.Helper()
	var sent struct{ Conditions, ResourceStatus json.RawMessage }
	if err := json.Unmarshal(payload, &sent); err != nil {
		t.Fatal(err)
	}
	return mustMarshal(t, map[string]any{
		"resourceStatus": map[string]any{"manifests": sent.ResourceStatus},
		"conditions":     sent.Conditions,
	})
}

func TestStatusHashOfNoJSON(t *testing.T) {
	if hash, err := event.StatusHash([]byte("x")); err == nil {
		t.Errorf("hash %s", hash)
	}
}

// RawStatusHash is that of a struct marshalled by Go, however the bytes were
// spaced and escaped.
func TestRawStatusHash(t *testing.T) {
	sum := sha256.Sum256(mustMarshal(t, struct{ B, A string }{"<x>", "y"}))
	want := hex.EncodeToString(sum[:])
	for _, status := range []string{`{"B":"<x>","A":"y"}`, ` {"B": "\u003cx\u003e", "A": "y"} `} {
		if got := event.RawStatusHash([]byte(status)); got != want {
			t.Errorf("%s: %s, want %s", status, got, want)
		}
	}
	if event.RawStatusHash([]byte(`{"A":"y","B":"<x>"}`)) == want {
		t.Error("the order of the fields makes no difference")
	}
	sum = sha256.Sum256([]byte("no JSON"))
	if got := event.RawStatusHash([]byte("no JSON")); got != hex.EncodeToString(sum[:]) {
		t.Errorf("what is not JSON: %s", got)
	}
}

// The canonical form is JSON of the same value, and its own canonical form.
func FuzzCanonical(f *testing.F) {
	for _, c := range readCaptures(f) {
		f.Add([]byte(c.Captured.Payload))
	}
	f.Add([]byte(`{"b":[1,2.5,-1e-9,18446744073709551615],"a":{"<":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		canonical, err := event.Canonical(data)
		if err != nil {
			return
		}
		if !json.Valid(canonical) {
			t.Fatalf("%q is no JSON", canonical)
		}
		if !event.Equal(data, canonical) && !bytes.Contains(canonical, []byte("-0")) { // -0.0, then -0, then 0
			t.Errorf("%q is not equal to %q", data, canonical)
		}
		var plain any
		if err := json.Unmarshal(data, &plain); err != nil {
			t.Errorf("%q is JSON only here: %v", data, err)
		}
	})
}
