package event

import "fmt"

// The reasons of a DecodeError: few and fixed, to be the label of a metric.
const (
	ReasonType      = "type"
	ReasonAttribute = "attribute"
	ReasonPayload   = "payload"
)

// DecodeError says why an event cannot be understood. Its text names the
// attribute and holds no payload.
type DecodeError struct {
	Reason string // ReasonType, ReasonAttribute or ReasonPayload
	Err    error
}

// Error is the reason with its cause.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("decode event %s: %v", e.Reason, e.Err)
}

// Unwrap is the cause.
func (e *DecodeError) Unwrap() error { return e.Err }
