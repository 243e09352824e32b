package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Shape is what must be equal in two packets of the same act: topic, QoS,
// retain flag, content type, the names of the user properties, their values or
// the form of those that differ by nature, and the payload. Lines of text, so
// that a difference can be read.
type Shape struct{ lines []string }

// forms are the attributes whose value differs with each event, and how to
// name the form of one.
var forms = map[string]func(string) string{
	"ce-id":                uuidForm,
	"ce-time":              timeForm,
	"ce-deletiontimestamp": timeForm,
	"ce-sequenceid":        snowflakeForm,
	"ce-statushash":        hashForm,
}

// leading are the first user properties in the SDK's packets; extensions
// follow in any order.
var leading = []string{"ce-id", "ce-source", "ce-specversion", "ce-type", "ce-time"}

// ShapeOf describes a packet. Lists in its payload that have no order (those
// of a resync request) are sorted.
func ShapeOf(p Packet) Shape {
	s := Shape{lines: []string{
		"topic " + p.Topic,
		fmt.Sprintf("qos %d retain %t", p.QoS, p.Retain),
		fmt.Sprintf("content type %q", p.ContentType),
		"leading attributes " + leadingForm(p.Properties),
	}}
	var properties []string
	for _, property := range p.Properties {
		value := strconv.Quote(property.Value)
		if form := forms[property.Key]; form != nil {
			value = form(property.Value)
		}
		properties = append(properties, property.Key+" "+value)
	}
	slices.Sort(properties)
	s.lines = append(s.lines, properties...)
	for _, name := range p.Other {
		s.lines = append(s.lines, "unexpected "+name)
	}
	s.lines = append(s.lines, "payload "+payloadForm(p.Payload))
	return s
}

// Without leaves out the user properties of those names.
func (s Shape) Without(names ...string) Shape {
	lines := slices.DeleteFunc(slices.Clone(s.lines), func(line string) bool {
		name, _, _ := strings.Cut(line, " ")
		return slices.Contains(names, name)
	})
	return Shape{lines: lines}
}

// WithPayload replaces the payload's line by a description of its form.
func (s Shape) WithPayload(form string) Shape {
	lines := slices.Clone(s.lines)
	lines[len(lines)-1] = "payload " + form
	return Shape{lines: lines}
}

// Diff is empty if both are equal; else the lines that only one has.
func (s Shape) Diff(want Shape) string {
	var diff []string
	for _, line := range without(want.lines, s.lines) {
		diff = append(diff, "- "+line)
	}
	for _, line := range without(s.lines, want.lines) {
		diff = append(diff, "+ "+line)
	}
	return strings.Join(diff, "\n")
}

// without is a less each line of b, once.
func without(a, b []string) []string {
	left := slices.Clone(a)
	for _, line := range b {
		if i := slices.Index(left, line); i >= 0 {
			left = slices.Delete(left, i, i+1)
		}
	}
	return left
}

// String is all lines.
func (s Shape) String() string { return strings.Join(s.lines, "\n") }

func leadingForm(properties []Property) string {
	var names []string
	for i := 0; i < len(leading) && i < len(properties); i++ {
		names = append(names, properties[i].Key)
	}
	if slices.Equal(names, leading) {
		return "in the SDK's order"
	}
	return strings.Join(names, " ")
}

func uuidForm(s string) string {
	if id, err := uuid.Parse(s); err != nil || id.String() != s {
		return "not a UUID: " + s
	}
	return "<uuid>"
}

func timeForm(s string) string {
	if _, err := time.Parse(time.RFC3339Nano, s); err != nil || !strings.HasSuffix(s, "Z") {
		return "not a time in UTC: " + s
	}
	return "<rfc3339nano>"
}

// snowflakeForm names the node, which is 1 in every event of the protocol.
func snowflakeForm(s string) string {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || strconv.FormatInt(id, 10) != s {
		return "not a decimal: " + s
	}
	return fmt.Sprintf("<snowflake of node %d>", id>>12&0x3ff)
}

var hashPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

func hashForm(s string) string {
	if !hashPattern.MatchString(s) {
		return "not a SHA-256: " + s
	}
	return "<sha256>"
}

// payloadForm is the payload as JSON with sorted keys, and lists of a resync
// request sorted by resource.
func payloadForm(payload []byte) string {
	if len(payload) == 0 {
		return "none"
	}
	var value map[string]any
	if err := decode(payload, &value); err != nil {
		return fmt.Sprintf("not a JSON object: %s", payload)
	}
	for _, name := range []string{"resourceVersions", "statusHashes"} {
		if list, ok := value[name].([]any); ok {
			slices.SortFunc(list, func(a, b any) int { return bytes.Compare(canonical(a), canonical(b)) })
		}
	}
	return string(canonical(value))
}

// canonical is JSON with sorted keys.
func canonical(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		return []byte(err.Error())
	}
	return data
}

// SameJSON tells whether two JSON documents say the same, to the last digit.
func SameJSON(a, b []byte) bool {
	var x, y any
	return decode(a, &x) == nil && decode(b, &y) == nil && bytes.Equal(canonical(x), canonical(y))
}

// decode keeps the digits of numbers.
func decode(data []byte, value any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return decoder.Decode(value)
}

// Skeleton is a payload with its values replaced by their types; of a list, it
// is that of the first element.
func Skeleton(payload []byte) string {
	var value any
	if err := decode(payload, &value); err != nil {
		return fmt.Sprintf("not JSON: %s", payload)
	}
	return string(canonical(bones(value)))
}

func bones(value any) any {
	switch v := value.(type) {
	case map[string]any:
		members := map[string]any{}
		for name, member := range v {
			members[name] = bones(member)
		}
		return members
	case []any:
		if len(v) == 0 {
			return []any{}
		}
		return []any{bones(v[0])}
	}
	return fmt.Sprintf("%T", value)
}
