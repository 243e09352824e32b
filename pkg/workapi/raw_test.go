package workapi_test

import (
	"encoding/json"
	"testing"

	"github.com/pillion-dev/pillion/pkg/workapi"
)

// What is taken apart is what a decoder finds.
func checkSplit(t *testing.T, object string) {
	t.Helper()
	var want map[string]json.RawMessage
	if !json.Valid([]byte(object)) || json.Unmarshal([]byte(object), &want) != nil {
		workapi.Split([]byte(object)) // must end
		return
	}
	names, values, ok := workapi.Split([]byte(object))
	if !ok {
		return
	}
	for i, quoted := range names {
		var name string
		if err := json.Unmarshal([]byte(quoted), &name); err != nil {
			t.Fatalf("%s: name %s: %v", object, quoted, err)
		}
		if !json.Valid([]byte(values[i])) {
			t.Errorf("%s: value %s", object, values[i])
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("%s: %d members are missing", object, len(want))
	}
}

func TestSplit(t *testing.T) {
	for object, members := range map[string]int{
		`{}`: 0, ` { "a" : [1,{"b":"]"}] , "c\"" : "x\\" , "d":-1.5e3,"e":true } `: 4, `{"a":{"b":{}}}`: 1,
	} {
		if names, _, ok := workapi.Split([]byte(object)); !ok || len(names) != members {
			t.Errorf("%s: %q, %v", object, names, ok)
		}
		checkSplit(t, object)
	}
	for _, object := range []string{``, `[]`, `7`, `{"a":null}`, `{"a"`, `{"a":`, `{"a":1`, `{1:2}`, `{"a":"\`, `{"a":["\`, `{"a\`, `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}`} {
		if _, _, ok := workapi.Split([]byte(object)); ok {
			t.Errorf("%s was taken apart", object)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(`{"manifests":[{"a":"\"}"}],"deleteOption":{"x":1}}`)
	f.Add("{\"a\":\t1\n,\"b\":[[]]}")
	f.Fuzz(func(t *testing.T, object string) { checkSplit(t, object) })
}
