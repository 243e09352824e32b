package manifestwork

import (
	"encoding/json"
	"strings"

	"github.com/pillion-dev/pillion/pkg/resource"
)

const maxNameLength = 253

// ValidName tells whether a work may have that name: a DNS subdomain, as the
// names of Kubernetes objects.
func ValidName(name string) bool {
	if name == "" || len(name) > maxNameLength {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if !validLabel(label) {
			return false
		}
	}
	return true
}

// Name is the name that its metadata gives a work; its id if that is none that a
// Kubernetes object may have.
func Name(key resource.Key, metadata []byte) string {
	var m struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(metadata, &m) == nil && ValidName(m.Name) {
		return m.Name
	}
	return IDName(key)
}

// IDName is a name that follows from the id of a work.
func IDName(key resource.Key) string {
	if ValidName(key.ID) {
		return key.ID
	}
	return ID(key.Source, key.Cluster, key.ID)
}

// validLabel: lower case, digits and -, which does not begin or end it.
func validLabel(label string) bool {
	if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for _, c := range []byte(label) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
