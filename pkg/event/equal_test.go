package event_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/event"
)

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"", "", true},
		{"x", "x", true},
		{"x", "y", false},
		{`{"a":1,"b":2}`, ` {"b":2,"a":1.0}`, true},
		{`{"a":"x","b":"y"}`, `{"b":"y","a":"x"}`, true},
		{`{"a":1}`, `{"a":"1"}`, false},
		{`{"a":null}`, `{}`, false},
		{`[1,2]`, `[2,1]`, false},
		{`{"a":12}`, `{"a":123}`, false},
		{`{"a":12}`, `{"a":12.0}`, true},
		{`{"a":12,"b":1}`, `{"a":12 ,"b":1}`, true},
		{`[1]`, "[1\n]", true},
		{`{"a":100}`, `{"a":1e2}`, true},
		{`{"a":1E2}`, `{"a":1e2}`, true},
		{`{"a":0}`, `{"a":-0}`, true},
		{`{"a":"xy"}`, `{"a":"x"}`, false},
		{`{"a":"x\u00e4"}`, `{"a":"x\u00E4"}`, true},
		{`{"a":"\""}`, `{"a":"\u0022"}`, true},
		{`{"a":"\\"}`, `{"a":"\/"}`, false},
		{`["/"]`, `["\/"]`, true},
		{"[\"\xff\"]", "[\"\xfe\"]", true}, // neither is UTF-8: both are the replacement character
		{`{"a":9007199254740993}`, `{"a":9007199254740992}`, false},
		{`"<"`, `"\u003c"`, true},
		{`{}`, ``, false},
		{``, `{}`, false},
		{`{}`, `x`, false},
	} {
		if got := event.Equal([]byte(c.a), []byte(c.b)); got != c.want {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
}

// FuzzEqual compares with the long way.
func FuzzEqual(f *testing.F) {
	f.Add([]byte(`{"a":[1,"x\u00e4"]}`), []byte(`{"a":[1.0,"x\u00E4"]}`))
	f.Add([]byte(`{"a":-12}`), []byte(`{"a":-123}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if repeatsKey(a) || repeatsKey(b) {
			return
		}
		x, err1 := event.Canonical(a)
		y, err2 := event.Canonical(b)
		want := bytes.Equal(a, b) || err1 == nil && err2 == nil && bytes.Equal(x, y)
		if got := event.Equal(a, b); got != want {
			t.Errorf("%q and %q: %v", a, b, got)
		}
	})
}

// repeatsKey tells whether an object in data names a key twice.
func repeatsKey(data []byte) bool {
	var pretty bytes.Buffer
	canonical, err := event.Canonical(data)
	if err != nil || json.Compact(&pretty, data) != nil {
		return false
	}
	return bytes.Count(pretty.Bytes(), []byte(`:`)) != bytes.Count(canonical, []byte(`:`))
}

func BenchmarkEqual(b *testing.B) {
	spec := func(n int) []byte {
		return fmt.Appendf(nil, `{"n":%d,"filling":%q}`, n, strings.Repeat("x", 2000))
	}
	other := append([]byte{' '}, spec(1)...)
	for _, c := range []struct {
		name string
		b    []byte
	}{{"change", spec(2)}, {"spelling", other}} {
		b.Run(c.name, func(b *testing.B) {
			one := spec(1)
			for b.Loop() {
				event.Equal(one, c.b)
			}
		})
	}
}
