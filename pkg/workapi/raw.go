package workapi

import (
	"bytes"
	"encoding/json"

	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// member is one of a JSON object: its name as it is written, and its value.
type member struct{ name, value []byte }

// appendRaw puts a bundle together from the payloads as they are. It is false,
// and b unchanged, if they have members that a work has no place for.
func appendRaw(b []byte, c codec, rec *store.Record, name string) ([]byte, bool) {
	if rec.Key.DataType != manifestwork.Bundles || rec.ContentType != resource.JSONContentType {
		return b, false // of another media type nobody has seen whether it is JSON
	}
	var spec, status [8]member
	specFields, ok := split(spec[:0], rec.Spec)
	if !ok {
		return b, false
	}
	statusFields, ok := split(status[:0], rec.Status)
	if rec.HasStatus && !ok {
		return b, false
	}
	start := len(b)
	b = append(b, `{"kind":"ManifestWork","apiVersion":"work.open-cluster-management.io/v1","metadata":`...)
	if b, ok = c.appendMetadata(b, rec, name); ok {
		b, ok = appendSpec(append(b, `,"spec":{`...), specFields)
	}
	if ok {
		b, ok = appendStatus(append(b, `,"status":{`...), statusFields)
	}
	if !ok {
		return b[:start], false
	}
	return append(b, '}'), true
}

// appendSpec writes the members of a spec after its opening brace.
func appendSpec(b []byte, fields []member) ([]byte, bool) {
	b = append(b, `"workload":{`...)
	for _, f := range fields {
		if string(f.name) == `"manifests"` {
			b = append(append(b, `"manifests":`...), f.value...)
		}
	}
	b = append(b, '}')
	for _, f := range fields {
		usual := false
		switch string(f.name) {
		case `"manifests"`: // each of any form
			usual = f.value[0] == '['
		case `"deleteOption"`:
			usual = is[workv1.DeleteOption](f.value)
			b = appendMember(b, "deleteOption", f.value)
		case `"manifestConfigs"`:
			usual = is[[]workv1.ManifestConfigOption](f.value)
			b = appendMember(b, "manifestConfigs", f.value)
		case `"executer"`:
			usual = is[workv1.ManifestWorkExecutor](f.value)
			b = appendMember(b, "executor", f.value)
		}
		if !usual {
			return b, false
		}
	}
	return append(b, '}'), true
}

// appendStatus writes the members of a status after its opening brace.
func appendStatus(b []byte, fields []member) ([]byte, bool) {
	manifests := []byte(nil)
	for _, f := range fields {
		switch string(f.name) {
		case `"conditions"`:
			b = append(append(b, `"conditions":`...), f.value...)
			b = append(b, ',')
		case `"resourceStatus"`:
			manifests = f.value
		case `"manifestBundle"`:
		default:
			return b, false
		}
	}
	b = append(b, `"resourceStatus":{`...)
	if manifests != nil {
		b = append(append(b, `"manifests":`...), manifests...)
	}
	return append(b, "}}"...), true
}

// is tells whether a value is one of T for all who read it.
func is[T any](value []byte) bool { return json.Unmarshal(value, new(T)) == nil }

// appendMember writes a member after others.
func appendMember(b []byte, name string, value []byte) []byte {
	b = append(append(append(b, `,"`...), name...), `":`...)
	return append(b, value...)
}

// split takes a JSON object apart, one level deep, without a copy. It is for
// JSON that is known to be valid; of anything else it is false, or something
// that is no better. More members than fields has room for are false too, and
// so are values that are null and names that come twice.
func split(fields []member, object []byte) ([]member, bool) {
	at := skipSpace(object, 0)
	if at >= len(object) || object[at] != '{' {
		return nil, false
	}
	at = skipSpace(object, at+1)
	for at < len(object) && object[at] == '"' {
		end := skipValue(object, at)
		colon := skipSpace(object, end)
		if colon >= len(object) || object[colon] != ':' || len(fields) == cap(fields) {
			return nil, false
		}
		from := skipSpace(object, colon+1)
		to := skipValue(object, from)
		if to <= from || object[from] == 'n' || named(fields, object[at:end]) {
			return nil, false
		}
		fields = append(fields, member{object[at:end], object[from:to]})
		if at = skipSpace(object, to); at < len(object) && object[at] == ',' {
			at = skipSpace(object, at+1)
		}
	}
	return fields, at < len(object) && object[at] == '}'
}

func named(fields []member, name []byte) bool {
	for _, f := range fields {
		if bytes.Equal(f.name, name) {
			return true
		}
	}
	return false
}

func skipSpace(b []byte, at int) int {
	for at < len(b) && (b[at] == ' ' || b[at] == '\n' || b[at] == '\t' || b[at] == '\r') {
		at++
	}
	return at
}

// skipValue is where the value that begins at at ends, at most len(b).
func skipValue(b []byte, at int) int {
	depth := 0
	for ; at < len(b); at++ {
		switch b[at] {
		case '"':
			at = skipText(b, at)
			if depth == 0 {
				return min(at+1, len(b))
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 { // the end of the object around a plain value
				return at
			}
			if depth--; depth == 0 {
				return at + 1
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return at
			}
		}
	}
	return min(at, len(b))
}

// skipText is where the closing quote of a text is that begins at at.
func skipText(b []byte, at int) int {
	for at++; at < len(b) && b[at] != '"'; at++ {
		if b[at] == '\\' {
			at++
		}
	}
	return min(at, len(b)) // a backslash may be the last there is
}
