package event_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/event"
)

// The payloads of the SDK are read, and written again byte for byte.
func TestResyncPayloadsOfCaptures(t *testing.T) {
	for _, number := range []string{"04", "07", "13", "20"} {
		payload := readCapture(t, number).Captured.Payload
		req, err := event.DecodeSpecRequest([]byte(payload))
		checkWritten(t, number, payload, req, err)
	}
	for _, number := range []string{"08", "10", "21"} {
		payload := readCapture(t, number).Captured.Payload
		req, err := event.DecodeStatusRequest([]byte(payload))
		checkWritten(t, number, payload, req, err)
	}
}

func checkWritten(t *testing.T, number, payload string, req any, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("capture %s: %v", number, err)
	}
	if written, err := json.Marshal(req); err != nil || string(written) != payload {
		t.Errorf("capture %s: written as %s, %v; want %s", number, written, err, payload)
	}
}

func TestEmptyRequestsAreLists(t *testing.T) {
	for want, req := range map[string]any{
		`{"resourceVersions":[]}`: event.SpecRequest{},
		`{"statusHashes":[]}`:     &event.StatusRequest{},
	} {
		if got, err := json.Marshal(req); err != nil || string(got) != want {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
}

// A sidecar's own fields travel, and an SDK peer's reading is not disturbed.
func TestSpecRequestOfSidecar(t *testing.T) {
	from, to := "a", "b"
	want := &event.SpecRequest{From: &from, To: &to,
		ResourceVersions: []event.ResourceVersion{{ResourceID: "a<b", ResourceVersion: 1<<63 - 1, Source: "hub1"}}}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := event.DecodeSpecRequest(data)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

func TestDecodeSpecRequestSkipsImpossibleEntries(t *testing.T) {
	req, err := event.DecodeSpecRequest([]byte(`{"new":{"x":[1]},"resourceVersions":[
		{"resourceID":"a","resourceVersion":1,"extra":true},{},{"resourceID":".."},
		{"resourceID":"b","resourceVersion":-1},{"resourceID":"c"},null]}`))
	want := []event.ResourceVersion{{ResourceID: "a", ResourceVersion: 1}, {ResourceID: "c"}}
	if err != nil || !slices.Equal(req.ResourceVersions, want) {
		t.Errorf("%+v, %v; want %+v", req, err, want)
	}
}

// An entry that matches nothing must not turn into "send everything".
func TestDecodeStatusRequestKeepsImpossibleEntries(t *testing.T) {
	req, err := event.DecodeStatusRequest([]byte(`{"statusHashes":[{"resourceID":"..","statusHash":"x"}]}`))
	if err != nil || len(req.StatusHashes) != 1 {
		t.Errorf("%+v, %v", req, err)
	}
}

func TestDecodeRequestErrors(t *testing.T) {
	const secret = "s3cret"
	for _, data := range []string{"", secret, `"` + secret + `"`, `[]`, `{"resourceVersions":"` + secret + `","statusHashes":"` + secret + `"}`,
		`{"resourceVersions":[{"resourceID":1}],"statusHashes":[{"resourceID":1}]}`, `{} {}`, strings.Repeat("[", 1e6)} {
		_, specErr := event.DecodeSpecRequest([]byte(data))
		_, statusErr := event.DecodeStatusRequest([]byte(data))
		for _, err := range []error{specErr, statusErr} {
			var fault *event.DecodeError
			if !errors.As(err, &fault) || fault.Reason != event.ReasonPayload || strings.Contains(err.Error(), secret) {
				t.Errorf("%.40s: %v", data, err)
			}
		}
	}
}

func FuzzDecodeRequests(f *testing.F) {
	for _, c := range readCaptures(f) {
		f.Add([]byte(c.Captured.Payload))
	}
	f.Add([]byte(`{"resourceVersions":[{"resourceID":"a","resourceVersion":1,"source":"s"}],"from":"","to":"b"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if req, err := event.DecodeSpecRequest(data); err == nil {
			again, err := event.DecodeSpecRequest(mustMarshal(t, req))
			if err != nil || len(again.ResourceVersions) != len(req.ResourceVersions) {
				t.Errorf("%+v became %+v, %v", req, again, err)
			}
		}
		if req, err := event.DecodeStatusRequest(data); err == nil {
			again, err := event.DecodeStatusRequest(mustMarshal(t, req))
			if err != nil || len(again.StatusHashes) != len(req.StatusHashes) {
				t.Errorf("%+v became %+v, %v", req, again, err)
			}
		}
	})
}

func mustMarshal(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
