package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
)

// Device is one resource as a side remembers it.
type Device struct {
	ID      string
	Source  string
	Cluster string

	Version   int64
	Spec      json.RawMessage // none in a deleting one that was never known
	DeletedAt time.Time       // zero = not deleting

	Status        json.RawMessage // nil = none yet
	StatusVersion int64
	SequenceID    string
}

// Deleting tells whether the source has asked for deletion.
func (d Device) Deleting() bool { return !d.DeletedAt.IsZero() }

// StatusHash is the SHA-256 of the status with sorted keys, in hex.
func (d Device) StatusHash() string {
	status := d.Status
	if status == nil {
		status = json.RawMessage("{}")
	}
	return fmt.Sprintf("%x", sha256.Sum256(sorted(status)))
}

// sorted is JSON with sorted keys and all digits of numbers.
func sorted(document json.RawMessage) []byte {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return document
	}
	data, err := json.Marshal(value)
	if err != nil {
		return document
	}
	return data
}

// deletedStatus is what an agent reports when it has finished deleting.
var deletedStatus = json.RawMessage(`{"conditions":[{"type":"Deleted","status":"True","reason":"Deleted","message":"","lastTransitionTime":"2026-01-02T03:04:06Z"}]}`)

// SaysDeleted tells whether a status has the condition Deleted=True.
func SaysDeleted(status json.RawMessage) bool {
	var object struct {
		Conditions []struct{ Type, Status string }
	}
	if json.Unmarshal(status, &object) != nil {
		return false
	}
	for _, condition := range object.Conditions {
		if condition.Type == "Deleted" && condition.Status == "True" {
			return true
		}
	}
	return false
}
