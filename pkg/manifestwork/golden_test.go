package manifestwork_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// capture is a publish that the OCM SDK v1.2.0 made.
type capture struct {
	Captured struct {
		Properties []struct{ Key, Value string } `json:"user_properties"`
		Payload    string                        `json:"payload_text"`
	}
}

func read(t testing.TB, name string) capture {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var c capture
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c capture) attribute(t testing.TB, name string) string {
	t.Helper()
	for _, p := range c.Captured.Properties {
		if p.Key == "ce-"+name {
			return p.Value
		}
	}
	t.Fatalf("no attribute %s", name)
	return ""
}

func key(c capture, t testing.TB, source string) resource.Key {
	t.Helper()
	return resource.Key{DataType: manifestwork.Bundles, Source: source, Cluster: c.attribute(t, "clustername"), ID: c.attribute(t, "resourceid")}
}

func TestIDIsTheSDKs(t *testing.T) {
	c := read(t, "22-work-create")
	if got := manifestwork.ID("mw1", "cluster2", "work1"); got != c.attribute(t, "resourceid") {
		t.Errorf("id %s, want %s", got, c.attribute(t, "resourceid"))
	}
}

func TestStatusHashIsTheSDKs(t *testing.T) {
	for _, name := range []string{"23-work-status", "26-work-status-deleted"} {
		c := read(t, name)
		canonical, ordered, err := manifestwork.StatusHashes(manifestwork.Bundles, []byte(c.Captured.Payload))
		if err != nil {
			t.Fatal(err)
		}
		if want := c.attribute(t, "statushash"); canonical != want {
			t.Errorf("%s: %s, want %s", name, canonical, want)
		}
		if ordered == canonical {
			t.Errorf("%s: both forms are one", name)
		}
	}
}

// The ordered form is what SDK v0.15.0 makes of the same status: sha256 of its
// Go struct as JSON.
func TestOrderedStatusHash(t *testing.T) {
	const inOrder = `{"conditions":[{"type":"Applied","status":"True","lastTransitionTime":"2026-01-02T03:04:05Z","reason":"R","message":"\u003cm\u003e"}],"resourceStatus":{}}`
	const payload = `{"resourceStatus":[],"conditions":[{"message":"<m>","reason":"R","extra":1,"lastTransitionTime":"2026-01-02T03:04:05Z","status":"True","type":"Applied"}]}`
	_, ordered, err := manifestwork.StatusHashes(manifestwork.Bundles, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	if want := hashOf(inOrder); ordered != want {
		t.Errorf("hash %s, want %s", ordered, want)
	}
}

func hashOf(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

func TestSpecMetadataIsTheSDKs(t *testing.T) {
	c := read(t, "22-work-create")
	kept, err := manifestwork.Declare(key(c, t, "mw1"), nil, []byte(c.attribute(t, "metadata")), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	got, want := object(t, manifestwork.SpecMetadata(kept, 1, nil)), object(t, c.attribute(t, "metadata"))
	if got["creationTimestamp"] == nil {
		t.Error("no creationTimestamp: a source makes the object")
	}
	delete(got, "creationTimestamp") // the SDK's source has none, for want of a server
	equal(t, got, want)
}

func TestStatusMetadataIsTheSDKs(t *testing.T) {
	spec, status := read(t, "22-work-create"), read(t, "23-work-status")
	got := manifestwork.StatusMetadata(key(spec, t, "mw1"), []byte(spec.attribute(t, "metadata")), 1, nil, []string{manifestwork.CleanupFinalizer})
	equal(t, object(t, got), object(t, status.attribute(t, "metadata")))
}

func TestDeletedStatusMetadataIsTheSDKs(t *testing.T) {
	deletion, status := read(t, "25-work-delete"), read(t, "26-work-status-deleted")
	at, err := time.Parse(time.RFC3339Nano, deletion.attribute(t, "deletiontimestamp"))
	if err != nil {
		t.Fatal(err)
	}
	got := manifestwork.StatusMetadata(key(deletion, t, "mw1"), []byte(deletion.attribute(t, "metadata")), 2, &at, nil)
	equal(t, object(t, got), object(t, status.attribute(t, "metadata")))
}

func object(t testing.TB, text string) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

func equal(t testing.TB, got, want map[string]any) {
	t.Helper()
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if string(g) != string(w) {
		t.Errorf("got\n%s, want\n%s", g, w)
	}
}
