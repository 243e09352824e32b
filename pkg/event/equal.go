package event

import "bytes"

// Equal tells whether a and b are the same JSON value; what is not JSON is
// equal only to the same bytes. Most values that differ are told apart at the
// first byte that differs, without decoding them; an object that names a key
// twice may then count as different from itself in other words.
func Equal(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if plainlyDiffer(a, b) {
		return false
	}
	x, err := Canonical(a)
	if err != nil {
		return false
	}
	y, err := Canonical(b)
	return err == nil && bytes.Equal(x, y)
}

// plainlyDiffer tells whether the first difference lies within a value that no
// other spelling can make up for: two ASCII characters of a string, or two
// whole numbers. It may say no of anything.
func plainlyDiffer(a, b []byte) bool {
	at := firstDifference(a, b)
	if at == len(a) || at == len(b) {
		return false
	}
	start, inString := token(a[:at])
	switch {
	case !isValue(a[:start]):
		return false // a key: others may stand in its place further on
	case inString:
		return !escaping(a[start:at]) && plainCharacter(a[at]) && plainCharacter(b[at])
	default:
		x, y := number(a[start:]), number(b[start:])
		return isWhole(x) && isWhole(y) && !bytes.Equal(x, y) // equal: what differs is the space behind
	}
}

func firstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// token tells where the token begins that is open at the end of prefix, and
// whether it is a string. Behind an escape it gives up: the beginning is that
// of prefix, where there is no value.
func token(prefix []byte) (start int, inString bool) {
	for i := 0; i < len(prefix); i++ {
		switch c := prefix[i]; {
		case inString && c == '\\':
			if i++; i >= len(prefix) {
				return 0, false
			}
		case c == '"':
			start, inString = i, !inString
		}
	}
	if inString {
		return start, true
	}
	start = len(prefix)
	for start > 0 && isNumeric(prefix[start-1]) {
		start--
	}
	return start, false
}

// isValue tells whether what follows prefix is certainly no key.
func isValue(prefix []byte) bool {
	prefix = bytes.TrimRight(prefix, " \t\r\n")
	return bytes.HasSuffix(prefix, []byte{':'}) || bytes.HasSuffix(prefix, []byte{'['})
}

// escaping tells whether the end of a string's beginning may lie in an escape:
// \u00e4 has four spellings.
func escaping(beginning []byte) bool {
	const longest = len(`\u00e4`)
	return bytes.IndexByte(beginning[max(0, len(beginning)-longest):], '\\') >= 0
}

// plainCharacter holds for bytes of a string that are written in one way only,
// or in escapes that begin with a backslash; the quote that ends it is one.
func plainCharacter(c byte) bool { return c >= ' ' && c < 0x7f && c != '\\' }

// number is what b begins with of a number.
func number(b []byte) []byte {
	end := 0
	for end < len(b) && isNumeric(b[end]) {
		end++
	}
	return b[:end]
}

func isNumeric(c byte) bool {
	return '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// isWhole tells whether a number is an integer that has no other spelling
// without a point or an exponent: 0 has -0.
func isWhole(number []byte) bool {
	digits := bytes.TrimPrefix(number, []byte{'-'})
	if len(digits) == 0 || len(digits) > 15 || digits[0] == '0' {
		return false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
