package resource_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestParseDataType(t *testing.T) {
	for s, ok := range map[string]bool{
		"com.example.fleet.v1alpha1.devices":                        true,
		"io.open-cluster-management.works.v1alpha1.manifestbundles": true,
		"a.v1.b":                         true,
		"v1.devices":                     false,
		"":                               false,
		"A.v1.b":                         false,
		"a..b.c":                         false,
		"a.b.c-":                         false,
		"a.b.c/d":                        false,
		"a.b.+":                          false,
		strings.Repeat("a.", 126) + "bc": false,
	} {
		if _, err := resource.ParseDataType(s); (err == nil) != ok {
			t.Errorf("%.40q: %v, want ok=%v", s, err, ok)
		}
	}
	d := resource.DataType("com.example.fleet.v1alpha1.devices")
	if d.Group() != "com.example.fleet" || d.Version() != "v1alpha1" || d.Resource() != "devices" {
		t.Errorf("parts %q %q %q", d.Group(), d.Version(), d.Resource())
	}
}

func TestValidateKey(t *testing.T) {
	good := resource.Key{DataType: "a.v1.b", Source: "hub1", Cluster: "cluster1", ID: "any/thing ünï"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*resource.Key){
		"data type":     func(k *resource.Key) { k.DataType = "x" },
		"source":        func(k *resource.Key) { k.Source = "Hub" },
		"empty cluster": func(k *resource.Key) { k.Cluster = "" },
		"long cluster":  func(k *resource.Key) { k.Cluster = strings.Repeat("a", 64) },
		"empty id":      func(k *resource.Key) { k.ID = "" },
		"long id":       func(k *resource.Key) { k.ID = strings.Repeat("a", 254) },
		"dot":           func(k *resource.Key) { k.ID = "." },
		"dots":          func(k *resource.Key) { k.ID = ".." },
		"slash":         func(k *resource.Key) { k.ID = "/" },
		"zero byte":     func(k *resource.Key) { k.ID = "a\x00b" },
		"newline":       func(k *resource.Key) { k.ID = "a\nb" },
		"not UTF-8":     func(k *resource.Key) { k.ID = "a\xff" },
	} {
		k := good
		change(&k)
		if err := k.Validate(); resource.CodeOf(err) != resource.InvalidArgument || err == nil {
			t.Errorf("%s: %v, want invalid_argument", name, err)
		}
	}
}

func TestRevisionIsAStringInJSON(t *testing.T) {
	const written = `{"revision":"18446744073709551615"}`
	var read struct {
		Revision resource.Revision `json:"revision"`
	}
	if err := json.Unmarshal([]byte(written), &read); err != nil {
		t.Fatal(err)
	}
	if again, _ := json.Marshal(read); string(again) != written {
		t.Errorf("wrote %s", again)
	}
	for _, bad := range []string{`{"revision":"-1"}`, `{"revision":"x"}`, `{"revision":5}`} {
		if err := json.Unmarshal([]byte(bad), &read); err == nil {
			t.Errorf("%s was read as %s", bad, read.Revision)
		}
	}
}

func TestErrorCarriesCodeAndCause(t *testing.T) {
	err := fmt.Errorf("put: %w", resource.Errorf(resource.Conflict, "read: %w", io.ErrUnexpectedEOF))
	if resource.CodeOf(err) != resource.Conflict || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("code %s, cause lost: %v", resource.CodeOf(err), err)
	}
	if resource.CodeOf(io.EOF) != resource.Internal {
		t.Errorf("an error without a code is %s", resource.CodeOf(io.EOF))
	}
	fielded := resource.Errorf(resource.InvalidArgument, "bad").WithField("/spec")
	if len(fielded.Fields) != 1 || fielded.Fields[0].Pointer != "/spec" {
		t.Errorf("fields %+v", fielded.Fields)
	}
}

func TestScopeCovers(t *testing.T) {
	for _, c := range []struct {
		scope resource.Scope
		want  bool
	}{
		{resource.Scope{}, true},
		{resource.Scope{DataType: "a.v1.b"}, true},
		{resource.Scope{Cluster: "c1"}, true},
		{resource.Scope{DataType: "a.v1.b", Cluster: "c2"}, false},
		{resource.Scope{DataType: "a.v1.x"}, false},
	} {
		if got := c.scope.Covers("a.v1.b", "c1"); got != c.want {
			t.Errorf("%+v covers: %v", c.scope, got)
		}
	}
}

func FuzzValidateID(f *testing.F) {
	f.Add("dev-1")
	f.Add("a/b")
	f.Add("\x00")
	f.Fuzz(func(t *testing.T, id string) {
		if resource.ValidateID(id) == nil && (id == "" || len(id) > resource.MaxIDLength || strings.ContainsAny(id, "\x00\n")) {
			t.Errorf("%q passed", id)
		}
	})
}
