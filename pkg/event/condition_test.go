package event_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
)

func TestIsDeletedOfCaptures(t *testing.T) {
	for number, want := range map[string]bool{"02": false, "09": false, "12": true, "23": false, "26": true} {
		if got := event.IsDeleted([]byte(readCapture(t, number).Captured.Payload)); got != want {
			t.Errorf("capture %s: %v", number, got)
		}
	}
}

func TestIsDeleted(t *testing.T) {
	for status, want := range map[string]bool{
		``:                                     false,
		`null`:                                 false,
		`[]`:                                   false,
		`x`:                                    false,
		`{}`:                                   false,
		`{"conditions":{}}`:                    false,
		`{"conditions":null}`:                  false,
		`{"conditions":["Deleted",null,5,[]]}`: false,
		`{"conditions":[{"type":"Deleted","status":"False"}]}`:                                           false,
		`{"conditions":[{"type":"Deleted","status":true}]}`:                                              false,
		`{"conditions":[{"type":"Deleted"}]}`:                                                            false,
		`{"x":{"conditions":[{"type":"Deleted","status":"True"}]}}`:                                      false,
		`{"Conditions":[{"type":"Deleted","status":"True"}]}`:                                            false,
		`{"conditions":[{"type":"Deleted","status":"True"}],"Conditions":[{}]}`:                          true,
		`{"conditions":[5,{"type":"Applied","status":"True"},{"status":"True","type":"Deleted"}],"x":1}`: true,
		`{"conditions":[{"type":"Deleted","status":"True","message":5}]}`:                                true,
		`{"conditions":[{"type":"\u0044eleted","status":"True"}]}`:                                       true,
	} {
		if got := event.IsDeleted([]byte(status)); got != want {
			t.Errorf("%s: %v", status, got)
		}
	}
}

const deletedCondition = `{"type":"Deleted","status":"True","lastTransitionTime":"2026-01-02T03:04:05Z",` +
	`"reason":"ManifestsDeleted","message":"Nothing of the resource is left on cluster cluster1"}`

func TestWithDeleted(t *testing.T) {
	now := time.Date(2026, 1, 2, 4, 4, 5, 999, time.FixedZone("", 3600))
	for name, c := range map[string]struct{ status, want string }{
		"none":         {``, `{"conditions":[` + deletedCondition + `]}`},
		"empty":        {`{}`, `{"conditions":[` + deletedCondition + `]}`},
		"other fields": {`{"z":[1],"a":1e400}`, `{"a":1e400,"conditions":[` + deletedCondition + `],"z":[1]}`},
		"appended":     {`{"conditions":[{"type":"Applied","x":1},null]}`, `{"conditions":[{"type":"Applied","x":1},null,` + deletedCondition + `]}`},
		"replaced":     {`{"conditions":[{"type":"Deleted","status":"False","lastTransitionTime":"2020-01-01T00:00:00Z"},1]}`, `{"conditions":[` + deletedCondition + `,1]}`},
		"twice":        {`{"conditions":[{"type":"Deleted"},1,{"type":"Deleted"}]}`, `{"conditions":[` + deletedCondition + `,1]}`},
		"still":        {`{"conditions":[{"type":"Deleted","status":"True","lastTransitionTime":"2020-01-01T00:00:00Z"}]}`, `{"conditions":[` + strings.Replace(deletedCondition, "2026-01-02T03:04:05Z", "2020-01-01T00:00:00Z", 1) + `]}`},
		"no list":      {`{"conditions":{"a":1}}`, `{"conditions":[` + deletedCondition + `]}`},
	} {
		got, err := event.WithDeleted([]byte(c.status), now, "cluster1")
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c.want)
		}
		if !event.IsDeleted(got) {
			t.Errorf("%s: not deleted: %s", name, got)
		}
	}
}

func TestWithDeletedErrors(t *testing.T) {
	for _, status := range []string{"null", "[]", "5", "x", `"s"`} {
		if got, err := event.WithDeleted([]byte(status), time.Now(), "cluster1"); err == nil {
			t.Errorf("%s: %s", status, got)
		}
	}
}

func FuzzWithDeleted(f *testing.F) {
	for _, c := range readCaptures(f) {
		f.Add([]byte(c.Captured.Payload))
	}
	f.Add([]byte(`{"conditions":[{"type":"Deleted","status":"False"},5]}`))
	f.Fuzz(func(t *testing.T, status []byte) {
		deleted, err := event.WithDeleted(status, time.Unix(0, 0), "cluster1")
		if err != nil {
			if event.IsDeleted(status) {
				t.Errorf("%q is deleted, and cannot be: %v", status, err)
			}
			return
		}
		if !event.IsDeleted(deleted) {
			t.Errorf("%q: not deleted: %q", status, deleted)
		}
		again, err := event.WithDeleted(deleted, time.Unix(1, 0), "cluster1")
		if err != nil || string(again) != string(deleted) {
			t.Errorf("%q became %q, %v", deleted, again, err)
		}
	})
}
