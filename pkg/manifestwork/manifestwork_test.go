package manifestwork_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
)

func workKey(name string) resource.Key {
	return resource.Key{DataType: manifestwork.Bundles, Source: "hub1", Cluster: "cluster1", ID: manifestwork.ID("hub1", "cluster1", name)}
}

func TestDeclareKeepsWhatTheSourceDecides(t *testing.T) {
	made := time.Date(2026, 11, 21, 10, 0, 0, 5, time.UTC)
	first, err := manifestwork.Declare(workKey("w1"), nil, []byte(`{"name":"w1","labels":{"a":"b"}}`), made)
	if err != nil {
		t.Fatal(err)
	}
	const given = `{"name":"w1","namespace":"cluster1","uid":"other","resourceVersion":"9","generation":7,"finalizers":["x"],
		"creationTimestamp":"2020-01-01T00:00:00Z","deletionTimestamp":"2020-01-01T00:00:00Z","managedFields":[{}],"ownerReferences":null,
		"annotations":{"cloudevents.open-cluster-management.io/sequenceid":"1","mine":"1"}}`
	second, err := manifestwork.Declare(workKey("w1"), first, []byte(given), made.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, object(t, string(second)), map[string]any{"name": "w1", "namespace": "cluster1", "uid": workKey("w1").ID,
		"creationTimestamp": "2026-11-21T10:00:00Z", "annotations": map[string]any{"mine": "1"}})
}

func TestDeclareRefuses(t *testing.T) {
	for name, c := range map[string]struct{ given, pointer string }{
		"nothing":           {``, "/metadata/name"},
		"no name":           {`{"labels":{}}`, "/metadata/name"},
		"another name":      {`{"name":"w2"}`, "/metadata/name"},
		"no DNS name":       {`{"name":"W_1"}`, "/metadata/name"},
		"another namespace": {`{"name":"w1","namespace":"other"}`, "/metadata/namespace"},
		"labels as numbers": {`{"name":"w1","labels":{"a":1}}`, "/metadata"},
		"no object":         {`[]`, "/metadata"},
	} {
		_, err := manifestwork.Declare(workKey("w1"), nil, []byte(c.given), time.Now())
		e, ok := err.(*resource.Error)
		if !ok || e.Code != resource.InvalidArgument || len(e.Fields) != 1 || e.Fields[0].Pointer != c.pointer {
			t.Errorf("%s: %v, want invalid_argument at %s", name, err, c.pointer)
		}
	}
}

func TestFloorIsTheSDKsAnnotation(t *testing.T) {
	for value, want := range map[string]int64{"7": 7, "": 0, "x": 0, "-1": 0, "2147483648": 0} {
		m := manifestwork.Metadata{Annotations: map[string]string{manifestwork.ResourceVersionAnnotation: value}}
		if got := m.Floor(); got != want {
			t.Errorf("%q: %d, want %d", value, got, want)
		}
	}
}

func TestSpecMetadataOfWhatIsNoWorkIsAsItIs(t *testing.T) {
	for _, kept := range []string{"", "no JSON", `{"labels":{"a":"b"}}`, `{"name":5}`} {
		if got := manifestwork.SpecMetadata([]byte(kept), 3, nil); got != kept {
			t.Errorf("%q became %q", kept, got)
		}
	}
}

func TestAgentMetadataWithoutMetadata(t *testing.T) {
	m := manifestwork.AgentMetadata(workKey("w1"), nil)
	if m.Name != workKey("w1").ID || m.Namespace != "cluster1" || m.Labels[manifestwork.OriginalSourceLabel] != "hub1" {
		t.Errorf("%+v", m)
	}
}

func TestCheckSpec(t *testing.T) {
	good := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm1"}}`
	for name, c := range map[string]struct {
		dataType resource.DataType
		payload  string
		pointer  string // "" = good
	}{
		"good":            {manifestwork.Bundles, `{"manifests":[` + good + `]}`, ""},
		"one":             {manifestwork.Manifests, `{"manifest":` + good + `}`, ""},
		"no manifests":    {manifestwork.Bundles, `{"manifests":[]}`, "/spec"},
		"no manifest":     {manifestwork.Manifests, `{}`, "/spec"},
		"no object":       {manifestwork.Bundles, `7`, "/spec"},
		"a text":          {manifestwork.Bundles, `{"manifests":["x"]}`, "/spec/manifests/0"},
		"no kind":         {manifestwork.Bundles, `{"manifests":[` + good + `,{"apiVersion":"v1","metadata":{"name":"x"}}]}`, "/spec/manifests/1"},
		"no name":         {manifestwork.Manifests, `{"manifest":{"apiVersion":"v1","kind":"Pod"}}`, "/spec/manifest"},
		"a generatedName": {manifestwork.Bundles, `{"manifests":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","generateName":"a"}}]}`, "/spec/manifests/0"},
		"a number":        {manifestwork.Bundles, `{"manifests":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"n":1e999}]}`, "/spec/manifests/0"},
		"too large":       {manifestwork.Bundles, `{"manifests":[{"a":"` + strings.Repeat("x", 1000) + `"}]}`, "/spec"},
	} {
		err := manifestwork.CheckSpec(c.dataType, []byte(c.payload), 1000)
		if c.pointer == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		e, ok := err.(*resource.Error)
		if !ok || len(e.Fields) != 1 || e.Fields[0].Pointer != c.pointer {
			t.Errorf("%s: %v, want a fault at %s", name, err, c.pointer)
		}
	}
}

func TestLocalFinalizers(t *testing.T) {
	none, own := manifestwork.Local{}, manifestwork.Local{Finalizers: []string{"a/b"}}
	if got := none.AgentFinalizers(false); len(got) != 0 {
		t.Errorf("%v on a work that is not deleting", got)
	}
	if got := none.AgentFinalizers(true); len(got) != 1 || got[0] != manifestwork.CleanupFinalizer {
		t.Errorf("%v on a deleting work: the app would not be asked to clean up", got)
	}
	if got := own.AgentFinalizers(true); len(got) != 1 || got[0] != "a/b" {
		t.Errorf("%v, want the app's own", got)
	}
	encoded, err := own.Encode()
	if again, readErr := manifestwork.ReadLocal(encoded); err != nil || readErr != nil || !again.Holds() {
		t.Errorf("%s: %v, %v", encoded, err, readErr)
	}
	if encoded, _ := none.Encode(); encoded != nil {
		t.Errorf("nothing is %s", encoded)
	}
}

func FuzzStatusHashes(f *testing.F) {
	f.Add(read(f, "23-work-status").Captured.Payload)
	f.Add(`{"conditions":[{"lastTransitionTime":null}],"status":{}}`)
	f.Fuzz(func(t *testing.T, payload string) {
		for _, d := range manifestwork.DataTypes() {
			a, b, err := manifestwork.StatusHashes(d, []byte(payload))
			if err == nil && (len(a) != 64 || len(b) != 64) {
				t.Errorf("hashes %q and %q", a, b)
			}
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add(`{"name":"w1","ownerReferences":[{}],"creationTimestamp":"2026-01-01T00:00:00Z"}`)
	f.Add(`{"name":"w1","creationTimestamp":"9999-12-31T23:59:59.9Z"}`)
	f.Fuzz(func(t *testing.T, given string) {
		at := time.Unix(0, 0)
		if status := manifestwork.StatusMetadata(workKey("w1"), []byte(given), 1, &at, nil); !json.Valid([]byte(status)) {
			t.Errorf("metadata %q", status)
		}
		kept, err := manifestwork.Declare(workKey("w1"), nil, []byte(given), at)
		if err != nil {
			return
		}
		if spec := manifestwork.SpecMetadata(kept, 1, &at); !json.Valid([]byte(spec)) {
			t.Errorf("metadata %q", spec)
		}
	})
}
