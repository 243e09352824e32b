package manifestwork

import "strings"

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
