package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
)

// maxDepth bounds the nesting of JSON that is rewritten: far above any
// resource, far below what strains a stack.
const maxDepth = 1000

var (
	errTooDeep  = errors.New("JSON is nested too deeply")
	errTrailing = errors.New("more than one JSON value")
)

// Canonical is the form that Go's json.Marshal gives a JSON value: keys
// sorted, HTML escaped, integers of 64 bits exact, other numbers as float64.
// It takes time and memory in proportion to data, and refuses what is not one
// JSON value or is nested deeper than 1000.
func Canonical(data []byte) ([]byte, error) {
	if tooDeep(data) {
		return nil, errTooDeep
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errTrailing
	}
	value, err := exactNumbers(value)
	if err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// tooDeep looks for nesting beyond maxDepth before anything is built of data.
func tooDeep(data []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// exactNumbers replaces the number literals within value, in place.
func exactNumbers(value any) (any, error) {
	var err error
	switch v := value.(type) {
	case json.Number:
		return exactNumber(v)
	case map[string]any:
		for key, element := range v {
			if v[key], err = exactNumbers(element); err != nil {
				return nil, err
			}
		}
	case []any:
		for i, element := range v {
			if v[i], err = exactNumbers(element); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}

// exactNumber is an int64 or uint64 where the literal is one, else a float64.
func exactNumber(literal json.Number) (any, error) {
	s := literal.String()
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, nil
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return n, nil
	}
	return strconv.ParseFloat(s, 64)
}
