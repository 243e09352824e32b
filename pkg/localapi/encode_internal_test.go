package localapi

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// full is a resource with a value in every field.
func full() *resource.Resource {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.FixedZone("", 3600))
	return &resource.Resource{
		Key:     resource.Key{DataType: "a.b.c", Source: "s", Cluster: "c", ID: "a/\"b\"\\ <世界>\u2028"},
		Version: 3, Revision: 1<<63 + 1,
		Spec: json.RawMessage(`{"a":"<&>"}`), SpecBase64: []byte{0, 255, 7, 9}, ContentType: "text/plain; a=\"b\"",
		Metadata: json.RawMessage(`{"labels":{}}`), DeletionTimestamp: &at,
		Status: json.RawMessage(`{"ready":true}`), StatusVersion: 2, SequenceID: "17", StatusHash: "ab",
		Sync: resource.Sync{State: resource.Deleting, PublishedVersion: 2, PublishedAt: &at, ObservedAt: &at, Error: "a\nb\x00"},
	}
}

// mustBeFull fails for a field that is zero: one that was added to the type and
// not to the sample, and so perhaps not to the encoder either.
func mustBeFull(t *testing.T, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		field := v.Field(i)
		if field.IsZero() {
			t.Errorf("the sample lacks %s.%s", v.Type(), v.Type().Field(i).Name)
		}
		if field.Kind() == reflect.Struct && field.Type() != reflect.TypeFor[time.Time]() {
			mustBeFull(t, field)
		}
	}
}

// sameJSON checks that a hand-written encoding says what encoding/json says.
func sameJSON(t *testing.T, got []byte, value any) {
	t.Helper()
	want, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var x, y any
	if err := json.Unmarshal(got, &x); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal(want, &y); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(x, y) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEncodersSayWhatTheTypesSay(t *testing.T) {
	mustBeFull(t, reflect.ValueOf(*full()))
	for _, res := range []*resource.Resource{full(), {}, nil} {
		sameJSON(t, appendResource(nil, res), res)
		item := resource.LeaseItem{Lease: "l\"", Key: full().Key, Reasons: []string{"created", "retry"}, Attempt: 2, Object: res}
		sameJSON(t, appendLease(nil, &item), item)
		event := resource.WatchEvent{Type: resource.WatchAdded, Resource: res, Revision: 7}
		sameJSON(t, appendEvent(nil, &event), event)
	}
	event := resource.WatchEvent{Type: resource.WatchSynced, Revision: 7}
	sameJSON(t, appendEvent(nil, &event), event)
	none := resource.LeaseItem{Reasons: []string{}}
	sameJSON(t, appendLease(nil, &none), none)
}

func TestAProblemWhoseResourceIsNoJSONIsStillTold(t *testing.T) {
	bad := &resource.Error{Code: resource.DeadlineExceeded, Detail: "late", Resource: &resource.Resource{Spec: json.RawMessage(`{`)}}
	var p problem
	if err := json.Unmarshal(newProblem(bad).encode(), &p); err != nil || p.Detail != "late" || p.Resource != nil {
		t.Errorf("%+v, %v", p, err)
	}
}

func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{"", "a", "\x00", "\"\\", "世\xff", "\u2028<>&"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) { sameJSON(t, appendString(nil, text), text) })
}

func BenchmarkAppendResource(b *testing.B) {
	res, buffer := full(), []byte(nil)
	for b.Loop() {
		buffer = appendResource(buffer[:0], res)
	}
}
