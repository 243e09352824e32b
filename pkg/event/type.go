package event

import (
	"fmt"
	"strings"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Sub is the half of a resource that an event speaks of.
type Sub string

// The two halves: a source owns specs, an agent reports statuses.
const (
	SubSpec   Sub = "spec"
	SubStatus Sub = "status"
)

// Action is what an event asks for. Actions that are not among the constants
// are kept as they came: on a spec they mean "here is the spec"
// (docs/protocol.md, Who says what).
type Action string

// The actions of the protocol.
const (
	CreateRequest  Action = "create_request"
	UpdateRequest  Action = "update_request"
	DeleteRequest  Action = "delete_request"
	ResyncRequest  Action = "resync_request"
	ResyncResponse Action = "resync_response"
)

// maxActionLength bounds what an unknown action may be, in bytes.
const maxActionLength = 63

// Type is the CloudEvents attribute type, taken apart:
// "<data type>.<spec|status>.<action>".
type Type struct {
	DataType resource.DataType
	Sub      Sub
	Action   Action
}

// ParseType reads s from the right, so that a data type may have any number
// of labels. An unknown action is no error.
func ParseType(s string) (Type, error) {
	rest, action, ok := cutLast(s)
	if !ok || action == "" || len(action) > maxActionLength {
		return Type{}, fmt.Errorf("event type %.300q is not <data type>.<spec|status>.<action>", s)
	}
	name, sub, _ := cutLast(rest)
	if Sub(sub) != SubSpec && Sub(sub) != SubStatus {
		return Type{}, fmt.Errorf("event type %.300q: %.60q is neither spec nor status", s, sub)
	}
	dataType, err := resource.ParseDataType(name)
	if err != nil {
		return Type{}, fmt.Errorf("event type %.300q: %w", s, err)
	}
	return Type{DataType: dataType, Sub: Sub(sub), Action: Action(action)}, nil
}

// cutLast cuts s at its last dot.
func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// String is the value of the attribute.
func (t Type) String() string {
	return string(t.DataType) + "." + string(t.Sub) + "." + string(t.Action)
}

// OfResource tells whether events of this type are about one resource, and so
// carry its id and version. Only resync requests are not.
func (t Type) OfResource() bool { return t.Action != ResyncRequest }

// FromSource tells whether events of this type are sent by sources: specs, and
// requests for statuses. The others come from agents.
func (t Type) FromSource() bool {
	return (t.Sub == SubSpec) == (t.Action != ResyncRequest)
}
