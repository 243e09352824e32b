package localapi

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// maxFaults bounds the faults that one answer lists.
const maxFaults = 10

// field is one member of a request's object.
type field struct {
	name   string
	parent string // the pointer of the object that it is a member of
	raw    []byte // valid JSON
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// pointer is the field's place in the body (RFC 6901). A name that is long is
// cut: whoever sent it will know it.
func (f field) pointer() string {
	name := f.name
	if len(name) > 100 {
		name = strings.ToValidUTF8(name[:100], "") + "…"
	}
	return f.parent + "/" + pointerEscapes.Replace(name)
}

// decodeObject calls take for each member of an object at the pointer. The
// members' names must be known to take and differ from each other; all faults
// are told at once. Names inside of specs, metadata and statuses are not
// looked at: those are the app's.
func decodeObject(body []byte, pointer string, take func(field) error) error {
	seen := make(map[string]bool, 8)
	var faults []*resource.Error
	isObject := members(body, func(name string, value []byte) {
		f := field{name: name, parent: pointer, raw: value}
		err := f.once(seen)
		if err == nil {
			err = take(f)
		}
		if err != nil && len(faults) < maxFaults {
			faults = append(faults, asError(err))
		}
	})
	if !isObject {
		return resource.Errorf(resource.InvalidArgument, "%s must be a JSON object", whole(pointer)).WithField(pointer)
	}
	return joinFaults(faults)
}

// joinFaults makes one error of many: the first one's, with the fields of all.
func joinFaults(faults []*resource.Error) error {
	if len(faults) == 0 {
		return nil
	}
	first := faults[0]
	for _, more := range faults[1:] {
		first.Fields = append(first.Fields, more.Fields...)
	}
	return first
}

func whole(pointer string) string {
	if pointer == "" {
		return "the body"
	}
	return pointer
}

func (f field) once(seen map[string]bool) error {
	if seen[f.name] {
		return f.fault("is given twice")
	}
	seen[f.name] = true
	return nil
}

// fault is an error about the field: "/max must be …".
func (f field) fault(format string, args ...any) error {
	return resource.Errorf(resource.InvalidArgument, "%s %s", f.pointer(), fmt.Sprintf(format, args...)).WithField(f.pointer())
}

func (f field) unknown() error { return f.fault("is not a known field here") }

func (f field) isNull() bool { return string(f.raw) == "null" }

func (f field) isObject() bool { return f.raw[0] == '{' }

// The readers below leave *to alone when the value is null: that is how many
// languages write a field that is not set.

// text reads a string.
func (f field) text(to *string) error {
	if f.isNull() {
		return nil
	}
	if f.raw[0] != '"' {
		return f.fault("must be a string")
	}
	*to = unquote(f.raw)
	return nil
}

// flag reads a boolean.
func (f field) flag(to *bool) error {
	switch string(f.raw) {
	case "true":
		*to = true
	case "false":
		*to = false
	case "null":
	default:
		return f.fault("must be true or false")
	}
	return nil
}

// integer reads a whole number within bounds.
func (f field) integer(to *int64, low, high int64) error {
	if f.isNull() {
		return nil
	}
	value, err := strconv.ParseInt(string(f.raw), 10, 64)
	if err != nil || value < low || value > high {
		return f.fault("must be a whole number from %d to %d", low, high)
	}
	*to = value
	return nil
}

// duration reads a duration in Go's notation; high 0 means no upper bound.
func (f field) duration(to *time.Duration, low, high time.Duration) error {
	if f.isNull() {
		return nil
	}
	var text string
	if err := f.text(&text); err != nil {
		return f.fault("must be a duration in a string, such as \"30s\"")
	}
	value, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return f.fault("must be a duration such as 30s or 1m30s")
	case value < low || high > 0 && value > high:
		return f.fault("must be a duration %s", between(low, high))
	}
	*to = value
	return nil
}

func between(low, high time.Duration) string {
	if high == 0 {
		return fmt.Sprintf("of at least %s", low)
	}
	return fmt.Sprintf("from %s to %s", low, high)
}

// object reads a JSON object, compacted.
func (f field) object(to *[]byte) error {
	switch {
	case f.isNull():
		return nil
	case !f.isObject():
		return f.fault("must be a JSON object")
	}
	*to = compact(f.raw)
	return nil
}

// bytes reads base64.
func (f field) bytes(to *[]byte) error {
	if f.isNull() {
		return nil
	}
	var text string
	if err := f.text(&text); err != nil {
		return err
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return f.fault("must be base64 (RFC 4648, with padding)")
	}
	*to = data
	return nil
}

// dataTypes reads a list of data types.
func (f field) dataTypes(to *[]resource.DataType) error {
	if f.isNull() {
		return nil
	}
	if f.raw[0] != '[' {
		return f.fault("must be a list of data types")
	}
	for i := skip(f.raw, 1, ','); f.raw[i] != ']'; i = skip(f.raw, i, ',') {
		end := valueEnd(f.raw, i)
		item := field{name: strconv.Itoa(len(*to)), parent: f.pointer(), raw: f.raw[i:end]}
		var dataType resource.DataType
		if err := item.dataType(&dataType); err != nil {
			return err
		}
		*to, i = append(*to, dataType), end
	}
	return nil
}

// dataType reads a data type.
func (f field) dataType(to *resource.DataType) error {
	if f.isNull() {
		return nil
	}
	var text string
	if err := f.text(&text); err != nil {
		return err
	}
	value, err := resource.ParseDataType(text)
	*to = value
	return f.about(err)
}

// label reads a source or cluster name.
func (f field) label(to *string) error {
	var name string
	if err := f.text(&name); err != nil || f.isNull() {
		return err
	}
	if err := resource.ValidateName(f.name, name); err != nil {
		return f.about(err)
	}
	*to = name
	return nil
}

// about adds the field to an error.
func (f field) about(err error) error {
	if err == nil {
		return nil
	}
	return asError(err).WithField(f.pointer())
}
