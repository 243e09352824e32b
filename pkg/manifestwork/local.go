package manifestwork

import (
	"encoding/json"
	"fmt"
)

// Local is what one side keeps of a work for itself and never tells the other:
// the finalizers of its app, and who manages which field.
type Local struct {
	Finalizers    []string        `json:"finalizers,omitempty"`
	ManagedFields json.RawMessage `json:"managedFields,omitempty"`
}

// ReadLocal reads what Encode wrote; nothing is empty.
func ReadLocal(data []byte) (l Local, err error) {
	if len(data) == 0 {
		return l, nil
	}
	if err := json.Unmarshal(data, &l); err != nil {
		return Local{}, fmt.Errorf("read what is kept locally of a work: %w", err)
	}
	return l, nil
}

// Encode is nil if there is nothing to keep.
func (l Local) Encode() ([]byte, error) {
	if len(l.Finalizers) == 0 && len(l.ManagedFields) == 0 {
		return nil, nil
	}
	return json.Marshal(l)
}

// AgentFinalizers are those that a work has at an agent: the app's own, and on
// one that is being deleted at least the one that makes the app clean up.
func (l Local) AgentFinalizers(deleting bool) []string {
	if deleting && len(l.Finalizers) == 0 {
		return []string{CleanupFinalizer}
	}
	return l.Finalizers
}

// Holds tells whether a source's app has finalizers of its own on a work, so
// that the work stays after its agent has confirmed the deletion.
func (l Local) Holds() bool { return len(l.Finalizers) > 0 }
