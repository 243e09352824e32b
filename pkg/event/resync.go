package event

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// SpecRequest is the payload of a spec resync request: what an agent holds
// (docs/protocol.md, Resync). An SDK peer reads the list and nothing else.
type SpecRequest struct {
	ResourceVersions []ResourceVersion `json:"resourceVersions"`

	// From and To bound what the list is complete for, both inclusive, in
	// byte order of the ids; nil = open.
	From *string `json:"from,omitempty"`
	To   *string `json:"to,omitempty"`
}

// ResourceVersion is one resource that an agent holds.
type ResourceVersion struct {
	ResourceID      string `json:"resourceID"`
	ResourceVersion int64  `json:"resourceVersion"`
	Source          string `json:"source,omitempty"` // its owner; only sidecars say it
}

// StatusRequest is the payload of a status resync request: the hashes of the
// statuses that a source holds. An empty list asks for every status.
type StatusRequest struct {
	StatusHashes []ResourceHash `json:"statusHashes"`
}

// ResourceHash is one status that a source holds. Its hash is the one that came
// with the status, or that of StatusHash.
type ResourceHash struct {
	ResourceID string `json:"resourceID"`
	StatusHash string `json:"statusHash"`
}

// MarshalJSON writes an empty list as [], never as null.
func (r SpecRequest) MarshalJSON() ([]byte, error) {
	type plain SpecRequest
	if r.ResourceVersions == nil {
		r.ResourceVersions = []ResourceVersion{}
	}
	return json.Marshal(plain(r))
}

// MarshalJSON writes an empty list as [], never as null.
func (r StatusRequest) MarshalJSON() ([]byte, error) {
	type plain StatusRequest
	if r.StatusHashes == nil {
		r.StatusHashes = []ResourceHash{}
	}
	return json.Marshal(plain(r))
}

// DecodeSpecRequest reads the payload of a spec resync request. Unknown fields
// are skipped, and so are entries whose id no resource can have: the answer to
// them would be a delete that no peer takes. What is read is a small multiple
// of data. Errors are *DecodeError and hold nothing of the payload.
func DecodeSpecRequest(data []byte) (*SpecRequest, error) {
	req := &SpecRequest{}
	if json.Unmarshal(data, req) != nil {
		return nil, &DecodeError{ReasonPayload, errors.New("not a spec resync request")}
	}
	req.ResourceVersions = slices.DeleteFunc(req.ResourceVersions, func(v ResourceVersion) bool {
		return v.ResourceVersion < 0 || resource.ValidateID(v.ResourceID) != nil
	})
	return req, nil
}

// DecodeStatusRequest reads the payload of a status resync request, as
// DecodeSpecRequest does. Every entry is kept: a list that became empty would
// ask for every status.
func DecodeStatusRequest(data []byte) (*StatusRequest, error) {
	req := &StatusRequest{}
	if json.Unmarshal(data, req) != nil {
		return nil, &DecodeError{ReasonPayload, errors.New("not a status resync request")}
	}
	return req, nil
}
