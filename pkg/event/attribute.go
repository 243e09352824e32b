package event

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
)

// The extension attributes (docs/protocol.md, CloudEvent attributes).
const (
	extClusterName       = "clustername"
	extOriginalSource    = "originalsource"
	extResourceID        = "resourceid"
	extResourceVersion   = "resourceversion"
	extSequenceID        = "sequenceid"
	extDeletionTimestamp = "deletiontimestamp"
	extStatusHash        = "statushash"
	extMetadata          = "metadata"
	extLogTracing        = "logtracing"
)

// attributes reads extensions and remembers the first fault, so that the
// reading of an event is one list.
type attributes struct {
	values map[string]any
	err    error
}

func newAttributes(ce *cloudevents.Event) *attributes {
	return &attributes{values: ce.Extensions()}
}

// fail notes a fault of the attribute, unless there is one already.
func (a *attributes) fail(name string, err error) {
	if a.err == nil {
		a.err = fmt.Errorf("attribute %s: %w", name, err)
	}
}

// text is the attribute in its canonical string form, "" if it is absent; it
// has at most limit bytes of UTF-8.
func (a *attributes) text(name string, limit int) string {
	value, ok := a.values[name]
	if !ok || value == nil {
		return ""
	}
	s, err := types.Format(value)
	if err != nil {
		err = errors.New("not a CloudEvents value") // the error of Format holds the value
	} else {
		err = checkText(s, limit)
	}
	if err != nil {
		a.fail(name, err)
		return ""
	}
	return s
}

// checked is text that, if there is any, must pass check.
func (a *attributes) checked(name string, limit int, check func(string) error) string {
	s := a.text(name, limit)
	if s == "" {
		return ""
	}
	if err := check(s); err != nil {
		a.fail(name, err)
		return ""
	}
	return s
}

// version is a resource version: an integer or its decimal form, up to int64.
// Absent is 0, because some senders drop what has more than 32 bits.
func (a *attributes) version(name string) int64 {
	const maxDigits = 20 // of an int64, with a sign
	s := a.text(name, maxDigits)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err == nil && n < 0 {
		err = fmt.Errorf("%d is negative", n)
	}
	if err != nil {
		a.fail(name, err)
		return 0
	}
	return n
}

// time is a timestamp or its RFC 3339 form, nil if it is absent.
func (a *attributes) time(name string) *time.Time {
	value, ok := a.values[name]
	if !ok || value == nil {
		return nil
	}
	t, err := types.ToTime(value)
	if err != nil {
		a.fail(name, errors.New("not an RFC 3339 time"))
		return nil
	}
	t = t.UTC()
	return &t
}

func checkText(s string, limit int) error {
	if len(s) > limit {
		return fmt.Errorf("%d bytes are more than %d", len(s), limit)
	}
	if !utf8.ValidString(s) {
		return errors.New("not UTF-8")
	}
	return nil
}

// versionAttribute is a version in the widest form that travels: an integer,
// which MQTT and Kafka write as decimal string, or that string if the version
// has more than the 32 bits of a CloudEvents integer.
func versionAttribute(version int64) any {
	if version > math.MaxInt32 {
		return strconv.FormatInt(version, 10)
	}
	return int32(version)
}
