package resource

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of the parts of a key (api.md, "A resource").
const (
	MaxNameLength     = 63  // of a source or cluster name, in bytes
	MaxIDLength       = 253 // of a resource id, in bytes
	MaxDataTypeLength = 253
)

// MaxVersion is the largest resource version that every peer can read: a
// CloudEvents integer has 32 bits, and the OCM SDK drops larger ones silently.
const MaxVersion = 1<<31 - 1

// DataType names a kind of resource: "<reverse group>.<version>.<resource>",
// for instance "com.example.fleet.v1alpha1.devices" (protocol.md, "Who says
// what"). The last two labels are version and resource.
type DataType string

// ParseDataType checks the form of s.
func ParseDataType(s string) (DataType, error) {
	if len(s) > MaxDataTypeLength || !isDataType(s) {
		return "", Errorf(InvalidArgument, "data type %.300q is not <group>.<version>.<resource> in lower case, such as com.example.fleet.v1alpha1.devices", s)
	}
	return DataType(s), nil
}

// isDataType tells whether s is three labels or more, of which none begins or
// ends with a hyphen.
func isDataType(s string) bool {
	labels := 0
	for label := range strings.SplitSeq(s, ".") {
		if !isName(label) || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		labels++
	}
	return labels >= 3
}

// isName tells whether s is something of a-z, 0-9 and hyphens.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != ""
}

// Group is what stands before the version.
func (d DataType) Group() string {
	group, _, _ := d.split()
	return group
}

// Version is the label before the last.
func (d DataType) Version() string {
	_, version, _ := d.split()
	return version
}

// Resource is the last label.
func (d DataType) Resource() string {
	_, _, resource := d.split()
	return resource
}

func (d DataType) split() (group, version, resource string) {
	rest := string(d)
	if i := strings.LastIndexByte(rest, '.'); i >= 0 {
		rest, resource = rest[:i], rest[i+1:]
	}
	if i := strings.LastIndexByte(rest, '.'); i >= 0 {
		rest, version = rest[:i], rest[i+1:]
	}
	return rest, version, resource
}

// Key identifies a resource among all that a sidecar can hold.
type Key struct {
	DataType DataType `json:"dataType"`
	Source   string   `json:"source"`
	Cluster  string   `json:"cluster"`
	ID       string   `json:"id"`
}

// String is for logs: data type, source, cluster and id with slashes.
func (k Key) String() string {
	return fmt.Sprintf("%s/%s/%s/%s", k.DataType, k.Source, k.Cluster, k.ID)
}

// Group is the part of the key that a resync covers.
func (k Key) Group() Group {
	return Group{DataType: k.DataType, Source: k.Source, Cluster: k.Cluster}
}

// Validate checks every part; the error names the first that is wrong.
func (k Key) Validate() error {
	if _, err := ParseDataType(string(k.DataType)); err != nil {
		return err
	}
	if err := ValidateName("source", k.Source); err != nil {
		return err
	}
	if err := ValidateName("cluster", k.Cluster); err != nil {
		return err
	}
	return ValidateID(k.ID)
}

// Group is one data type of one source on one cluster: what one resync request
// asks about.
type Group struct {
	DataType DataType
	Source   string
	Cluster  string
}

// Key of the resource with that id in the group.
func (g Group) Key(id string) Key {
	return Key{DataType: g.DataType, Source: g.Source, Cluster: g.Cluster, ID: id}
}

// ValidateName checks a source or cluster name; what says which it is.
func ValidateName(what, name string) error {
	if len(name) > MaxNameLength || !isName(name) {
		return Errorf(InvalidArgument, "%s %.100q must be 1 to 63 of a-z, 0-9 and -", what, name)
	}
	return nil
}

// ValidateID checks a resource id.
func ValidateID(id string) error {
	switch {
	case id == "" || len(id) > MaxIDLength:
		return Errorf(InvalidArgument, "id must have 1 to %d bytes, not %d", MaxIDLength, len(id))
	case !utf8.ValidString(id):
		return Errorf(InvalidArgument, "id must be UTF-8")
	case id == "." || id == ".." || id == "/":
		return Errorf(InvalidArgument, "id must not be %q", id)
	case strings.ContainsFunc(id, unicode.IsControl):
		return Errorf(InvalidArgument, "id must not hold control characters")
	}
	return nil
}
