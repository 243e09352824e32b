package worker

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"
	"testing/iotest"
)

// told is what became of a command's standard output.
func told(from io.Reader, wanted bool) (passed, object string) {
	var out bytes.Buffer
	s := newStatus(newLines(&out), wanted)
	_, _ = io.CopyBuffer(struct{ io.Writer }{s}, struct{ io.Reader }{from}, make([]byte, 512))
	s.end()
	return out.String(), string(s.object())
}

// FuzzOutput holds what is made of an output against the plain rule: it is the
// status if all of it is a JSON object, and is passed on otherwise; however the
// command writes it.
func FuzzOutput(f *testing.F) {
	for _, seed := range []string{"", "\n", " {\"a\":1}\n", "{}{}", "{", "text", "a\nb", "[1]", "{\"a\":\n1}\n\n", " \n\tx"} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, output []byte, wanted bool) {
		passed, object := told(bytes.NewReader(output), wanted)
		if slow, same := told(iotest.OneByteReader(bytes.NewReader(output)), wanted); same != object || !sameText(slow, passed) {
			t.Fatalf("byte by byte %q and %q, at once %q and %q", slow, same, passed, object)
		}
		text := bytes.TrimSpace(output)
		isStatus := wanted && json.Valid(text) && bytes.HasPrefix(bytes.TrimLeft(output, " \t\r\n"), []byte("{"))
		switch {
		case isStatus && (object != string(text) || passed != ""):
			t.Errorf("status %q and %q passed on, want %q", object, passed, text)
		case !isStatus && (object != "" || !sameText(passed, string(output))):
			t.Errorf("status %q and %q passed on, want %q", object, passed, output)
		}
	})
}

// sameText compares but for space at the beginning, which is dropped where a
// status may follow it, and the line break that a last line is given.
func sameText(a, b string) bool {
	trim := func(s string) string {
		return string(bytes.TrimSuffix(bytes.TrimLeft([]byte(s), " \t\r\n"), []byte("\n")))
	}
	return trim(a) == trim(b)
}
