package resource

import (
	"errors"
	"fmt"
	"time"
)

// Code is what went wrong, in the words of the local API (api.md, "Local
// API"); pkg/localapi has the one table from code to HTTP status.
type Code string

// The codes.
const (
	InvalidArgument      Code = "invalid_argument"
	Unauthenticated      Code = "unauthenticated"
	Forbidden            Code = "forbidden"
	NotFound             Code = "not_found"
	MethodNotAllowed     Code = "method_not_allowed"
	Timeout              Code = "timeout"
	Conflict             Code = "conflict"
	DeletingCode         Code = "deleting"
	Ambiguous            Code = "ambiguous"
	Expired              Code = "expired"
	PreconditionFailed   Code = "precondition_failed"
	TooLarge             Code = "too_large"
	UnsupportedMediaType Code = "unsupported_media_type"
	InvalidItem          Code = "invalid_item"
	TooManyRequests      Code = "too_many_requests"
	Internal             Code = "internal"
	Unavailable          Code = "unavailable"
	DeadlineExceeded     Code = "deadline_exceeded"
	DiskFull             Code = "disk_full"
)

// FieldError is one fault in a request body.
type FieldError struct {
	Pointer string `json:"pointer"` // RFC 6901
	Detail  string `json:"detail"`
}

// Error is an error that is told to a caller: what went wrong and what to do
// about it, in a sentence that holds no specs, statuses or credentials.
type Error struct {
	Code       Code
	Detail     string
	Fields     []FieldError
	RetryAfter time.Duration // for TooManyRequests and Unavailable
	Resource   *Resource     // for DeadlineExceeded: the write itself stays
	Cause      error
}

// Errorf makes an Error; a %w in the format becomes its cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Detail: err.Error(), Cause: errors.Unwrap(err)}
}

// WithField adds the field that is at fault.
func (e *Error) WithField(pointer string) *Error {
	e.Fields = append(e.Fields, FieldError{Pointer: pointer, Detail: e.Detail})
	return e
}

// Error is the detail.
func (e *Error) Error() string { return e.Detail }

// Unwrap is the cause, if any.
func (e *Error) Unwrap() error { return e.Cause }

// CodeOf is the code of the first Error in the chain, or Internal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}
