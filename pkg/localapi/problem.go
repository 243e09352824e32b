package localapi

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// statusOf is the one table from error code to HTTP status (docs/api.md,
// "Local API").
var statusOf = map[resource.Code]int{
	resource.InvalidArgument:      http.StatusBadRequest,
	resource.Unauthenticated:      http.StatusUnauthorized,
	resource.Forbidden:            http.StatusForbidden,
	resource.NotFound:             http.StatusNotFound,
	resource.MethodNotAllowed:     http.StatusMethodNotAllowed,
	resource.Timeout:              http.StatusRequestTimeout,
	resource.Conflict:             http.StatusConflict,
	resource.DeletingCode:         http.StatusConflict,
	resource.Ambiguous:            http.StatusConflict,
	resource.Expired:              http.StatusGone,
	resource.PreconditionFailed:   http.StatusPreconditionFailed,
	resource.TooLarge:             http.StatusRequestEntityTooLarge,
	resource.UnsupportedMediaType: http.StatusUnsupportedMediaType,
	resource.InvalidItem:          http.StatusUnprocessableEntity,
	resource.TooManyRequests:      http.StatusTooManyRequests,
	resource.Internal:             http.StatusInternalServerError,
	resource.Unavailable:          http.StatusServiceUnavailable,
	resource.DeadlineExceeded:     http.StatusGatewayTimeout,
	resource.DiskFull:             http.StatusInsufficientStorage,
}

// defaultRetryAfter is told with 429 and 503 when the error names no time.
const defaultRetryAfter = time.Second

// problem is the body of an error (RFC 9457, docs/api.md, "Local API").
type problem struct {
	Type     string                `json:"type"`
	Title    string                `json:"title"`
	Status   int                   `json:"status"`
	Code     resource.Code         `json:"code"`
	Detail   string                `json:"detail"`
	Errors   []resource.FieldError `json:"errors,omitempty"`
	Resource json.RawMessage       `json:"resource,omitempty"`
}

func newProblem(e *resource.Error) problem {
	code, status := e.Code, statusOf[e.Code]
	if status == 0 {
		code, status = resource.Internal, http.StatusInternalServerError
	}
	p := problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: e.Detail, Errors: e.Fields}
	if e.Resource != nil {
		p.Resource = appendResource(nil, e.Resource)
	}
	return p
}

func (p problem) encode() []byte {
	body, err := json.Marshal(p)
	if err != nil { // only the resource can be at fault: say the rest
		p.Resource = nil
		body, _ = json.Marshal(p)
	}
	return body
}

// toCallerGone is what a caller is told that has closed its side before the
// answer: that ended the call, not the sidecar's end.
func toCallerGone(e *resource.Error) *resource.Error {
	if e.Code != resource.Unavailable {
		return e
	}
	told := *e
	told.Detail = "the connection was closed for sending before the answer came, which ends a call that waits; what it has stored stays: keep the connection open, and repeat the call"
	return &told
}

const problemType = "application/problem+json"

// asError is what a caller is told of err. What is not meant for callers
// becomes internal, without its text.
func asError(err error) *resource.Error {
	var e *resource.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return &resource.Error{Code: resource.DeadlineExceeded, Detail: "the time given was over; the call may be repeated as it is", Cause: err}
	case errors.Is(err, context.Canceled):
		return &resource.Error{Code: resource.Unavailable, Detail: "the sidecar is ending; repeat the call when it is back", Cause: err}
	}
	return &resource.Error{Code: resource.Internal, Detail: "internal error; the sidecar's log says more", Cause: err}
}

// writeProblem answers with the problem of e.
func writeProblem(w http.ResponseWriter, e *resource.Error) {
	p := newProblem(e)
	header := w.Header()
	for _, name := range []string{"Etag", "Content-Encoding"} {
		header.Del(name)
	}
	if p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable {
		header.Set("Retry-After", retryAfter(e.RetryAfter))
	}
	if p.Status == http.StatusRequestEntityTooLarge || p.Status == http.StatusRequestTimeout {
		header.Set("Connection", "close") // the rest of the body may not be read
	}
	_ = write(w, p.Status, problemType, p.encode())
}

// retryAfter is whole seconds, rounded up.
func retryAfter(d time.Duration) string {
	if d <= 0 {
		d = defaultRetryAfter
	}
	return strconv.Itoa(int(math.Ceil(d.Seconds())))
}
