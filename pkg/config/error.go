package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one fault: what is wrong, and what to do about it. It holds no
// secrets and no values that came from the environment.
type Error struct {
	File    string
	Line    int // from 1; 0 = the file as a whole
	Message string
}

// Error is FILE:LINE: message.
func (e *Error) Error() string { return position{e.File, e.Line}.String() + ": " + e.Message }

// Errors are all faults of one configuration, the main file's first, in the
// order of their lines.
type Errors []*Error

// Error has one line for each fault.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives errors.As each fault.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, err := range e {
		errs[i] = err
	}
	return errs
}

// position is a line of a file; line 0 is the file as a whole.
type position struct {
	file string
	line int
}

// String is FILE:LINE, or FILE.
func (p position) String() string {
	if p.line == 0 {
		return p.file
	}
	return fmt.Sprintf("%s:%d", p.file, p.line)
}

// maxErrors bounds how many faults are told of one configuration.
const maxErrors = 50

// report collects what there is to say about a configuration.
type report struct {
	errs     Errors
	warnings []string
}

func (r *report) fail(at position, format string, args ...any) {
	r.errs = append(r.errs, &Error{File: at.file, Line: at.line, Message: fmt.Sprintf(format, args...)})
}

func (r *report) warn(at position, format string, args ...any) {
	if len(r.warnings) < maxErrors {
		r.warnings = append(r.warnings, at.String()+": "+fmt.Sprintf(format, args...))
	}
}

// err is all faults in order, or nil. Those of main come first.
func (r *report) err(main string) error {
	if len(r.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(r.errs, func(a, b *Error) int {
		return cmp.Or(
			cmp.Compare(boolToInt(a.File != main), boolToInt(b.File != main)),
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line))
	})
	if more := len(r.errs) - maxErrors; more > 0 {
		last := r.errs[maxErrors]
		last.Message = fmt.Sprintf("and %d more errors", more)
		r.errs = r.errs[:maxErrors+1]
	}
	return r.errs
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
