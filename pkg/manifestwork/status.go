package manifestwork

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// The payloads of status events, and the status of the object that they are
// about. The fields have the order and the names of the Kubernetes types,
// because the hash of SDK v0.15.0 is over that order.
type (
	bundleStatus struct {
		Conditions     []condition         `json:"conditions"`
		ResourceStatus []manifestCondition `json:"resourceStatus"`
	}
	manifestStatus struct {
		Conditions []condition        `json:"conditions"`
		Status     *manifestCondition `json:"status"`
	}
	workStatus struct {
		Conditions     []condition    `json:"conditions,omitempty"`
		ResourceStatus resourceStatus `json:"resourceStatus"`
	}
	resourceStatus struct {
		Manifests []manifestCondition `json:"manifests,omitempty"`
	}
	manifestCondition struct {
		ResourceMeta   resourceMeta   `json:"resourceMeta"`
		StatusFeedback statusFeedback `json:"statusFeedback"`
		Conditions     []condition    `json:"conditions"`
	}
	resourceMeta struct {
		Ordinal   int32  `json:"ordinal"`
		Group     string `json:"group"`
		Version   string `json:"version"`
		Kind      string `json:"kind"`
		Resource  string `json:"resource"`
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	}
	statusFeedback struct {
		Values []feedbackValue `json:"values,omitempty"`
	}
	feedbackValue struct {
		Name  string     `json:"name"`
		Value fieldValue `json:"fieldValue"`
	}
	fieldValue struct {
		Type    string  `json:"type"`
		Integer *int64  `json:"integer,omitempty"`
		String  *string `json:"string,omitempty"`
		Boolean *bool   `json:"boolean,omitempty"`
		JSONRaw *string `json:"jsonRaw,omitempty"`
	}
	condition struct {
		Type               string     `json:"type"`
		Status             string     `json:"status"`
		ObservedGeneration int64      `json:"observedGeneration,omitempty"`
		LastTransitionTime secondTime `json:"lastTransitionTime"`
		Reason             string     `json:"reason"`
		Message            string     `json:"message"`
	}
)

// secondTime is written as Kubernetes writes times: UTC, whole seconds, null if
// there is none.
type secondTime struct{ time.Time }

func (t secondTime) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(t.UTC().Format(time.RFC3339))
}

// StatusHashes are the hashes of a work's status by which the two sides compare:
// of its canonical form, as SDK v1.2.0 makes it, and in the order of its fields,
// as v0.15.0 does (docs/protocol.md, Resync). Both are over the status of the
// object, not over the payload, and leave out what a Kubernetes object does not
// have.
func StatusHashes(d resource.DataType, payload []byte) (canonical, ordered string, err error) {
	status, err := readStatus(d, payload)
	if err != nil {
		return "", "", fmt.Errorf("read the status of a work: %w", err)
	}
	encoded, err := json.Marshal(status)
	if err != nil {
		return "", "", fmt.Errorf("encode the status of a work: %w", err)
	}
	canonical, err = event.StatusHash(encoded)
	return canonical, event.RawStatusHash(encoded), err
}

func readStatus(d resource.DataType, payload []byte) (status workStatus, err error) {
	if d == Manifests {
		var one manifestStatus
		err = json.Unmarshal(payload, &one)
		status.Conditions = one.Conditions
		if one.Status != nil {
			status.ResourceStatus.Manifests = []manifestCondition{*one.Status}
		}
		return status, err
	}
	var bundle bundleStatus
	err = json.Unmarshal(payload, &bundle)
	status.Conditions, status.ResourceStatus.Manifests = bundle.Conditions, bundle.ResourceStatus
	return status, err
}
