package worker

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"sync"
)

// Bounds of what is kept of a command's output.
const (
	maxStatus = 4 << 20 // the sidecar's own limit is usually below
	maxLine   = 8 << 10 // a longer line is passed on in parts
	maxError  = 1 << 10
)

// lines is an output that several commands share, a line at a time.
type lines struct {
	mu sync.Mutex
	to io.Writer
}

func newLines(to io.Writer) *lines { return &lines{to: to} }

// write writes whole lines. An output that nobody reads any more is not the
// command's fault.
func (l *lines) write(p []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.to.Write(p)
}

// splitter passes a stream on line by line.
type splitter struct {
	to      *lines
	partial []byte
	each    func(line []byte) // sees each line before it is passed on; may be nil
}

// Write never fails: a command does not end for what it says.
func (s *splitter) Write(p []byte) (int, error) {
	s.partial = append(s.partial, p...)
	for {
		end := bytes.IndexByte(s.partial, '\n') + 1
		if end == 0 && len(s.partial) >= maxLine {
			end = maxLine
		}
		if end == 0 {
			return len(p), nil
		}
		s.pass(s.partial[:end])
		s.partial = s.partial[end:]
	}
}

// end passes on what is left of a last line without an end.
func (s *splitter) end() {
	if len(s.partial) > 0 {
		s.pass(append(s.partial, '\n'))
		s.partial = nil
	}
}

func (s *splitter) pass(line []byte) {
	if s.each != nil {
		s.each(line)
	}
	s.to.write(line)
}

// tail is a standard error: it is passed on, and its last line is remembered.
type tail struct {
	splitter
	last string
}

func newTail(to *lines) *tail {
	t := &tail{splitter: splitter{to: to}}
	t.each = func(line []byte) {
		if text := strings.TrimSpace(strings.ToValidUTF8(string(line), "?")); text != "" {
			t.last = text
		}
	}
	return t
}

// or is the last line, or another text if there is none.
func (t *tail) or(text string) string {
	if t.last == "" {
		return text
	}
	return strings.ToValidUTF8(t.last[:min(len(t.last), maxError)], "")
}

// status is a standard output. If it begins as a JSON object does it is kept,
// because it may be the status; all else is passed on.
type status struct {
	splitter
	wanted  bool
	begun   bool
	kept    []byte
	dropped bool
}

func newStatus(to *lines, wanted bool) *status {
	return &status{splitter: splitter{to: to}, wanted: wanted}
}

// Write never fails.
func (s *status) Write(p []byte) (int, error) {
	if !s.begun {
		rest := bytes.TrimLeft(p, " \t\r\n")
		if s.wanted && len(rest) == 0 {
			return len(p), nil
		}
		s.begun, s.wanted = true, s.wanted && rest[0] == '{'
	}
	if !s.wanted {
		return s.splitter.Write(p)
	}
	if room := maxStatus - len(s.kept); len(p) > room {
		s.dropped = true
		s.kept = append(s.kept, p[:room]...)
		return len(p), nil
	}
	s.kept = append(s.kept, p...)
	return len(p), nil
}

// end passes on what is no status after all.
func (s *status) end() {
	if s.wanted && !s.dropped && s.object() == nil {
		_, _ = s.splitter.Write(s.kept)
		s.kept = nil
	}
	s.splitter.end()
}

func (s *status) tooLong() bool { return s.dropped }

// object is the status; nil if there is none.
func (s *status) object() json.RawMessage {
	text := bytes.TrimSpace(s.kept)
	if len(text) == 0 || s.dropped || !json.Valid(text) {
		return nil
	}
	return text
}
