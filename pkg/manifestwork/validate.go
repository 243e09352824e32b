package manifestwork

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// DefaultMaxBytes is how large the manifests of one work may be together, as on
// a hub.
const DefaultMaxBytes = 500 << 10

// identity is what a manifest must have.
type identity struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name         string `json:"name"`
		GenerateName string `json:"generateName"`
	} `json:"metadata"`
}

// Fault is what is wrong with a work's manifests: which one (-1: all of them
// together), the field within it, and why. Missing tells a field that is not
// there from one that is wrong.
type Fault struct {
	Manifest int
	Field    string // "" = the manifest itself
	Missing  bool
	Detail   string
}

// CheckManifests finds the first fault of the manifests of a work, which must be
// JSON; nil if there is none. maxBytes bounds them together; 0 does
// not.
func CheckManifests(manifests [][]byte, maxBytes int64) *Fault {
	if len(manifests) == 0 {
		return &Fault{Manifest: -1, Missing: true, Detail: "a work needs at least one manifest"}
	}
	var size int64
	for _, manifest := range manifests {
		size += int64(len(manifest))
	}
	if maxBytes > 0 && size > maxBytes {
		return &Fault{Manifest: -1, Detail: fmt.Sprintf("the manifests have %d bytes together, more than the %d of work.maxBytes: split the work", size, maxBytes)}
	}
	for i, manifest := range manifests {
		if fault := checkManifest(manifest); fault != nil {
			fault.Manifest = i
			return fault
		}
	}
	return nil
}

func checkManifest(manifest []byte) *Fault {
	var m identity
	var object map[string]any // a number such as 1e999 is one that no Kubernetes client can read
	if err := errors.Join(json.Unmarshal(manifest, &m), json.Unmarshal(manifest, &object)); err != nil {
		return &Fault{Detail: "the manifest is not a Kubernetes object: " + err.Error()}
	}
	for _, field := range []struct{ name, value string }{
		{"apiVersion", m.APIVersion}, {"kind", m.Kind}, {"metadata.name", m.Metadata.Name},
	} {
		if field.value == "" {
			return &Fault{Field: field.name, Missing: true, Detail: "a manifest needs " + field.name}
		}
	}
	if m.Metadata.GenerateName != "" {
		return &Fault{Field: "metadata.generateName", Detail: "a manifest must not have generateName: give it a name"}
	}
	return nil
}

// CheckSpec refuses a spec payload that no agent would take.
func CheckSpec(d resource.DataType, payload []byte, maxBytes int64) error {
	manifests, err := manifestsOf(d, payload)
	if err != nil {
		return resource.Errorf(resource.InvalidArgument, "the spec is not that of %s: %w", d, err).WithField("/spec")
	}
	fault := CheckManifests(manifests, maxBytes)
	switch {
	case fault == nil:
		return nil
	case fault.Manifest < 0:
		return resource.Errorf(resource.InvalidArgument, "%s", fault.Detail).WithField("/spec")
	case d == Manifests:
		return resource.Errorf(resource.InvalidArgument, "%s", fault.Detail).WithField("/spec/manifest")
	}
	return resource.Errorf(resource.InvalidArgument, "%s", fault.Detail).WithField(fmt.Sprintf("/spec/manifests/%d", fault.Manifest))
}

func manifestsOf(d resource.DataType, payload []byte) (manifests [][]byte, err error) {
	var spec struct {
		Manifests []json.RawMessage `json:"manifests"`
		Manifest  json.RawMessage   `json:"manifest"`
	}
	if err := json.Unmarshal(payload, &spec); err != nil {
		return nil, err
	}
	if d == Manifests {
		if spec.Manifest == nil {
			return nil, nil
		}
		return [][]byte{spec.Manifest}, nil
	}
	for _, manifest := range spec.Manifests {
		manifests = append(manifests, manifest)
	}
	return manifests, nil
}
