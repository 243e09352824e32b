package config

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
)

// Bounds of what the YAML parser is given: its time and memory grow with the
// square of the values and of their nesting.
const (
	maxYAMLBytes = 256 << 10
	maxTokens    = 20_000
)

// parseYAML is the one document of a file, or nil if it is empty. A fault of
// syntax ends the reading; others are collected in r.
func (r *report) parseYAML(file string, data []byte, sdk bool) (*node, *Error) {
	body, err := parseDocument(file, data)
	if err != nil {
		return nil, err
	}
	if body == nil {
		return nil, nil
	}
	b := builder{report: r, file: file, sdk: sdk, anchors: map[string]*node{}}
	return b.build(body), nil
}

func parseDocument(file string, data []byte) (ast.Node, *Error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if err := checkText(file, data); err != nil {
		return nil, err
	}
	parsed, err := parseTokens(string(data))
	if err != nil {
		return nil, syntaxError(file, data, err)
	}
	return onlyDocument(file, parsed)
}

// checkText refuses what is no text, before a parser guesses at it.
func checkText(file string, data []byte) *Error {
	if len(data) > maxYAMLBytes {
		return &Error{File: file, Message: fmt.Sprintf("%v: the limit is %d bytes", errTooLarge, maxYAMLBytes)}
	}
	for rest, line := data, 1; len(rest) > 0; {
		char, size := utf8.DecodeRune(rest)
		if char == utf8.RuneError && size == 1 || char == 0 {
			return &Error{File: file, Line: line, Message: "is not text in UTF-8"}
		}
		if char == '\n' {
			line++
		}
		rest = rest[size:]
	}
	return nil
}

var errTooComplex = errors.New("has too many values: is this the configuration file?")

// parseTokens turns a panic of the parser into an error: a broken file that is
// found while running must not end the sidecar.
func parseTokens(text string) (file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			file, err = nil, errors.New("is not YAML")
		}
	}()
	tokens := lexer.Tokenize(text)
	if len(tokens) > maxTokens {
		return nil, errTooComplex
	}
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// syntaxError keeps the parser's line and reason, but not the excerpt of the
// file that it would show: that may be a password.
func syntaxError(file string, data []byte, err error) *Error {
	var syntax yaml.Error
	if !errors.As(err, &syntax) || syntax.GetToken() == nil {
		return &Error{File: file, Message: err.Error()}
	}
	fault := &Error{File: file, Line: syntax.GetToken().Position.Line, Message: "YAML: " + withoutExcerpt(syntax.GetMessage())}
	if bytes.Contains(lineOf(data, fault.Line), []byte("${")) {
		fault.Message += "; inside { } and [ ] put ${NAME} in quotes"
	}
	return fault
}

// withoutExcerpt cuts a reason off where it begins to quote the file.
func withoutExcerpt(reason string) string {
	for i, char := range reason {
		if char == '"' || char == '`' {
			return reason[:i] + "…"
		}
	}
	return reason
}

// lineOf is the line with that number, from 1.
func lineOf(data []byte, number int) []byte {
	for line := range bytes.Lines(data) {
		if number--; number == 0 {
			return line
		}
	}
	return nil
}

func onlyDocument(file string, parsed *ast.File) (ast.Node, *Error) {
	var body ast.Node
	for _, doc := range parsed.Docs {
		switch {
		case doc.Body == nil:
		case body != nil:
			return nil, &Error{File: file, Line: doc.Body.GetToken().Position.Line, Message: "a second document begins here: one file holds one configuration"}
		default:
			body = doc.Body
		}
	}
	return body, nil
}
