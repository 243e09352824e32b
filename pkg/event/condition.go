package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// The condition by which an agent says that it has finished deleting
// (docs/protocol.md, Rules of order).
const (
	conditionDeleted = "Deleted"
	conditionTrue    = "True"
	reasonDeleted    = "ManifestsDeleted"
	conditionsField  = "conditions"
)

// condition has the fields of a Kubernetes condition, in the order in which
// Kubernetes writes them.
type condition struct {
	Type               string `json:"type"`
	Status             string `json:"status"`
	LastTransitionTime string `json:"lastTransitionTime"`
	Reason             string `json:"reason"`
	Message            string `json:"message"`
}

func (c condition) deleted() bool { return c.Type == conditionDeleted && c.Status == conditionTrue }

// IsDeleted tells whether the conditions of a status say that the agent has
// finished deleting. A status that cannot be read says nothing.
func IsDeleted(status []byte) bool {
	fields, err := statusFields(status)
	if err != nil {
		return false
	}
	for _, raw := range conditionList(fields) {
		if readCondition(raw).deleted() {
			return true
		}
	}
	return false
}

// WithDeleted is status with a condition that says that cluster has finished
// deleting at now: in the place of an earlier one of that type, else at the
// end. The transition keeps its time if the status said so already. All else
// is kept; a conditions field that is no list is replaced. A status of nil is
// an empty object; one that is not a JSON object is an error.
func WithDeleted(status []byte, now time.Time, cluster string) ([]byte, error) {
	fields, err := statusFields(status)
	if err != nil {
		return nil, fmt.Errorf("set the condition Deleted: %w", err)
	}
	list := putDeleted(conditionList(fields), condition{
		Type:               conditionDeleted,
		Status:             conditionTrue,
		LastTransitionTime: now.UTC().Format(time.RFC3339),
		Reason:             reasonDeleted,
		Message:            "Nothing of the resource is left on cluster " + cluster,
	})
	if fields[conditionsField], err = json.Marshal(list); err != nil {
		return nil, fmt.Errorf("set the condition Deleted: %w", err)
	}
	return json.Marshal(fields)
}

// putDeleted replaces the first condition of that type, drops others of it,
// and appends if there was none.
func putDeleted(old []json.RawMessage, deleted condition) []any {
	list, at := make([]any, 0, len(old)+1), -1
	for _, raw := range old {
		c := readCondition(raw)
		if c.Type != conditionDeleted {
			list = append(list, raw)
			continue
		}
		if c.deleted() && c.LastTransitionTime != "" {
			deleted.LastTransitionTime = c.LastTransitionTime
		}
		if at < 0 {
			at = len(list)
			list = append(list, nil)
		}
	}
	if at < 0 {
		return append(list, deleted)
	}
	list[at] = deleted
	return list
}

// statusFields takes a status apart, one level deep.
func statusFields(status []byte) (map[string]json.RawMessage, error) {
	if len(status) == 0 {
		return map[string]json.RawMessage{}, nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(status, &fields) != nil || fields == nil {
		return nil, errors.New("the status is not a JSON object")
	}
	return fields, nil
}

// conditionList is the list of conditions, empty if there is no such list.
func conditionList(fields map[string]json.RawMessage) []json.RawMessage {
	var list []json.RawMessage
	if json.Unmarshal(fields[conditionsField], &list) != nil {
		return nil
	}
	return list
}

// readCondition reads what it can: raw is JSON, and a field of another type
// than a condition's stays empty.
func readCondition(raw json.RawMessage) condition {
	var c condition
	_ = json.Unmarshal(raw, &c)
	return c
}
