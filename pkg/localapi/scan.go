package localapi

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// maxDepth bounds the nesting of JSON that is taken: deeper than any schema
// in use, and shallow enough for every peer's parser.
const maxDepth = 500

// jsonFault says what is wrong with body as JSON; "" is nothing.
func jsonFault(body []byte) string {
	switch {
	case !utf8.Valid(body):
		return "is not UTF-8"
	case !json.Valid(body):
		return syntaxFault(body)
	case depth(body) > maxDepth:
		return "is nested too deeply"
	}
	return ""
}

// The functions below take JSON that is known to be valid. They exist because
// the request path needs to know no more than where a member begins and ends:
// decoding it by reflection costs several times as much.

// depth is the deepest nesting of arrays and objects.
func depth(data []byte) int {
	deepest, now := 0, 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = stringEnd(data, i) - 1
		case '{', '[':
			now++
			deepest = max(deepest, now)
		case '}', ']':
			now--
		}
	}
	return deepest
}

// stringEnd is the index after the string that begins at i.
func stringEnd(data []byte, i int) int {
	for i++; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}

// valueEnd is the index after the value that begins at i.
func valueEnd(data []byte, i int) int {
	nesting := 0
	for i < len(data) {
		switch data[i] {
		case '"':
			i = stringEnd(data, i)
		case '{', '[':
			nesting++
			i++
		case '}', ']':
			nesting--
			i++
		default:
			i = plainEnd(data, i)
		}
		if nesting <= 0 {
			return i
		}
	}
	return i
}

// separates holds the bytes that end a number or word.
var separates = [256]bool{'"': true, ',': true, ':': true, '{': true, '}': true, '[': true, ']': true, ' ': true, '\t': true, '\r': true, '\n': true}

// plainEnd is the index after a number or word, or after a run of separators
// and space, that begins at i.
func plainEnd(data []byte, i int) int {
	for i++; i < len(data) && !separates[data[i]]; {
		i++
	}
	return i
}

// skip is the index of the first byte from i on that is neither space nor sep.
func skip(data []byte, i int, sep byte) int {
	for i < len(data) && (isSpace(data[i]) || data[i] == sep) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// members calls take for each member of the object, with its name unquoted and
// its value as it stands. It returns false if data is not an object.
func members(data []byte, take func(name string, value []byte)) bool {
	i := skip(data, 0, ' ')
	if i == len(data) || data[i] != '{' {
		return false
	}
	for i = skip(data, i+1, ','); data[i] != '}'; i = skip(data, i, ',') {
		nameEnd := stringEnd(data, i)
		begin := skip(data, nameEnd, ':')
		end := valueEnd(data, begin)
		take(unquote(data[i:nameEnd]), data[begin:end])
		i = end
	}
	return true
}

// unquote is the text of a JSON string.
func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var text string
	_ = json.Unmarshal(quoted, &text) // valid, as all that comes here
	return text
}

// compact takes the space between tokens out, in place.
func compact(data []byte) []byte {
	out := data[:0]
	for i := 0; i < len(data); {
		switch {
		case data[i] == '"':
			end := stringEnd(data, i)
			out = append(out, data[i:end]...)
			i = end
		case isSpace(data[i]):
			i++
		default:
			out = append(out, data[i])
			i++
		}
	}
	return out
}
