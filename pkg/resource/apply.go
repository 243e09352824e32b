package resource

import "errors"

// MaxApplyErrors is how many errors an ApplyResult lists; it counts them all.
const MaxApplyErrors = 100

// ApplyRequest declares many resources at a source, one after the other.
type ApplyRequest struct {
	// Prune, if it is given, names data type and cluster: what there was in that
	// scope before and is not among the items is deleted, if no item failed.
	Prune *Scope
}

// ApplyItem is one resource of an apply, or what was wrong with its line.
type ApplyItem struct {
	Line int // of the body, from 1
	Put  PutRequest
	Err  error // why there is nothing to put; Put.Key is what is known then
}

// ApplyResult counts what became of the items of an apply.
type ApplyResult struct {
	Applied   int `json:"applied"`   // new or changed
	Unchanged int `json:"unchanged"` // there already
	Deleted   int `json:"deleted"`   // pruned
	Failed    int `json:"failed"`
	// NotPruned says why nothing was pruned though that was asked.
	NotPruned string       `json:"notPruned,omitempty"`
	Errors    []ApplyError `json:"errors"` // the first MaxApplyErrors
}

// ApplyError is an item that failed.
type ApplyError struct {
	Line   int    `json:"line"`
	Key    *Key   `json:"key"` // as far as it is known
	Code   Code   `json:"code"`
	Detail string `json:"detail"`
}

// Fail counts an item that failed. What is not an *Error is told as Internal,
// without its text.
func (r *ApplyResult) Fail(line int, key Key, err error) {
	r.Failed++
	if len(r.Errors) >= MaxApplyErrors {
		return
	}
	told := ApplyError{Line: line, Code: Internal, Detail: "internal error; the sidecar's log says more"}
	var e *Error
	if errors.As(err, &e) {
		told.Code, told.Detail = e.Code, e.Detail
	}
	if key != (Key{}) {
		told.Key = &key
	}
	r.Errors = append(r.Errors, told)
}
