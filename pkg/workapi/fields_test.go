package workapi_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
)

// oddValues are put where something else was.
var oddValues = []string{`null`, `{}`, `[]`, `""`, `0`, `-1`, `1e999`, `true`, `"x"`, `[null]`, `[7]`, `{"":null}`, `{"a":{"b":[]}}`, `"\u0000"`, `"2026-01-02T03:04:05Z"`}

// FuzzFields puts a value in the place of one that a write has, which JSON that
// is changed byte by byte seldom is.
func FuzzFields(f *testing.F) {
	seeds := writes()
	for i, a := range seeds {
		for at := range countNodes(a.body) {
			f.Add(uint8(i), uint16(at), oddValues[(i+at)%len(oddValues)])
		}
	}
	all := newSides(f)
	f.Fuzz(func(t *testing.T, which uint8, at uint16, value string) {
		a := seeds[int(which)%len(seeds)]
		var root any
		if json.Unmarshal([]byte(a.body), &root) != nil {
			return // none of JSON
		}
		n := int(at) % countNodes(a.body)
		body, err := json.Marshal(replaced(root, &n, raw(value)))
		if err != nil {
			t.Fatal(err)
		}
		all.take(t, attempt{a.agent, a.head, string(body)})
	})
}

// raw is a value as it is, or as a text if it is no JSON.
func raw(value string) json.RawMessage {
	if json.Valid([]byte(value)) {
		return json.RawMessage(value)
	}
	text, _ := json.Marshal(value)
	return text
}

// countNodes is how many values there are in a text of JSON, with all those
// inside of others; 0 if it is none.
func countNodes(text string) int {
	var root any
	if json.Unmarshal([]byte(text), &root) != nil {
		return 0
	}
	left := int(1 << 30)
	replaced(root, &left, nil)
	return 1<<30 - left
}

// replaced is node with its n-th value replaced; n counts down.
func replaced(node any, n *int, value json.RawMessage) any {
	if *n--; *n == -1 {
		return value
	}
	switch node := node.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(node)) {
			node[name] = replaced(node[name], n, value)
		}
	case []any:
		for i := range node {
			node[i] = replaced(node[i], n, value)
		}
	}
	return node
}
