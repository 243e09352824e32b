package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// document is one JSON value of a file, or what one YAML document says.
type document struct {
	text json.RawMessage
	line int // where it begins, from 1
}

// documentsOf yields the documents of a file, one at a time, as JSON; with an
// error, which is the last, the document says the line. What begins as JSON does
// is a sequence of JSON values, such as NDJSON; all else is YAML.
func documentsOf(from *bufio.Reader) iter.Seq2[document, error] {
	if first := firstByte(from); first == '{' || first == '[' {
		return jsonDocuments(from)
	}
	return yamlDocuments(from, maxFileBytes)
}

// firstByte is the first that is not space, within what the reader holds; 0 if
// there is none.
func firstByte(from *bufio.Reader) byte {
	begin, _ := from.Peek(from.Size())
	if begin = bytes.TrimLeft(begin, " \t\r\n"); len(begin) > 0 {
		return begin[0]
	}
	return 0
}

func jsonDocuments(from io.Reader) iter.Seq2[document, error] {
	return func(yield func(document, error) bool) {
		lines := &lineFinder{Reader: from}
		decoder := json.NewDecoder(lines)
		for {
			var text json.RawMessage
			err := decoder.Decode(&text)
			at := decoder.InputOffset() - int64(len(text))
			var syntax *json.SyntaxError
			switch {
			case errors.Is(err, io.EOF):
				return
			case errors.Is(err, io.ErrUnexpectedEOF):
				at, err = lines.read, errors.New("it ends in the middle of a value")
			case errors.As(err, &syntax):
				at = syntax.Offset - 1
				err = fmt.Errorf("not JSON: %w", err)
			}
			if !yield(document{text, lines.at(at)}, err) || err != nil {
				return
			}
		}
	}
}

// lineFinder finds the lines of offsets that only grow. It holds the line breaks
// after the last one asked for.
type lineFinder struct {
	io.Reader
	read   int64   // bytes so far
	breaks []int64 // offsets
	passed int     // line breaks no longer held
}

// Read reads and notes line breaks.
func (f *lineFinder) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	for i, c := range p[:n] {
		if c == '\n' {
			f.breaks = append(f.breaks, f.read+int64(i))
		}
	}
	f.read += int64(n)
	return n, err
}

// at is the line of an offset, from 1.
func (f *lineFinder) at(offset int64) int {
	i := 0
	for i < len(f.breaks) && f.breaks[i] < offset {
		i++
	}
	f.breaks = f.breaks[i:]
	f.passed += i
	return f.passed + 1
}

// yamlDocuments takes a file apart at its document markers, which stand at the
// beginning of a line and nowhere else (YAML 1.2, 9.1.2). It holds no more of a
// document than limit bytes and what the reader holds, however long its lines.
func yamlDocuments(from *bufio.Reader, limit int) iter.Seq2[document, error] {
	return func(yield func(document, error) bool) {
		part := yamlPart{begin: 1, limit: limit}
		begins := true // a line, and not a part of one that is long
		for at := 1; ; {
			line, err := from.ReadSlice('\n')
			long := errors.Is(err, bufio.ErrBufferFull)
			if err != nil && !long && !errors.Is(err, io.EOF) {
				yield(document{line: at}, err)
				return
			}
			if begins && isMarker(line) {
				if !part.flush(yield) {
					return
				}
				part = yamlPart{begin: at, limit: limit}
				part.text.WriteString("   ") // in the place of the marker, behind which something may stand
				line = line[len("---"):]
			}
			part.text.Write(line)
			if err != nil && !long || part.text.Len() > limit {
				break
			}
			if begins = !long; begins {
				at++
			}
		}
		part.flush(yield)
	}
}

func isMarker(line []byte) bool {
	rest, marker := bytes.CutPrefix(line, []byte("---"))
	return marker && (len(rest) == 0 || bytes.IndexByte([]byte(" \t\r\n"), rest[0]) >= 0)
}

// yamlPart is one YAML document.
type yamlPart struct {
	text  bytes.Buffer
	begin int // its first line
	limit int // of its bytes
}

// flush yields the document unless there is nothing in it.
func (p *yamlPart) flush(yield func(document, error) bool) bool {
	if p.text.Len() > p.limit {
		return yield(document{line: p.begin}, fmt.Errorf("a document has more than %d bytes", p.limit)) && false
	}
	text := p.text.Bytes()
	if documents(text) == 0 {
		return true
	}
	value, err := toJSON(text)
	if err != nil { // once more, so that the error names the line of the file
		_, err = toJSON(append(bytes.Repeat([]byte("\n"), p.begin-1), text...))
		return yield(document{line: p.begin}, err) && false
	}
	return yield(document{value, p.begin + leadingLines(text)}, nil)
}

// leadingLines counts those that come before the first with something in it.
func leadingLines(text []byte) (n int) {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return n
		}
		n++
	}
	return 0
}
