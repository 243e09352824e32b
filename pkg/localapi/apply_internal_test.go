package localapi

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/pillion-dev/pillion/pkg/resource"
)

const fuzzLine = 200 // bytes of a line

// FuzzApply feeds bodies to the reader of an apply: however they arrive, the
// same items come of them, one for each line that is neither blank nor the end
// mark, and each is one that a backend may be given or says what is wrong.
func FuzzApply(f *testing.F) {
	const item = `{"dataType":"a.b.c","cluster":"c","id":"x","spec":{"n":1}}`
	for _, seed := range []string{
		"", "\n", item, item + "\r\n\n" + item, item + "\n" + `{"end":true,"items":1}` + "\n", `{"end":true,"items":0}`, `{"end":1}`,
		strings.Repeat("x", fuzzLine+1) + "\n" + item, strings.Repeat("x", fuzzLine) + "\n", "\x00\xff\n{", `{"ifMatch":"1","cluster":null}`,
		`{"dataType":"a.b.c","cluster":"c","id":"/","specBase64":"AA==","contentType":"x/y","status":{},"metadata":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		whole := readApply(t, bytes.NewReader(body))
		if slow := readApply(t, iotest.OneByteReader(bytes.NewReader(body))); !reflect.DeepEqual(slow, whole) {
			t.Fatalf("byte by byte %+v, at once %+v", slow, whole)
		}
		for i, item := range whole {
			if i > 0 && item.Line < whole[i-1].Line {
				t.Errorf("line %d follows line %d", item.Line, whole[i-1].Line)
			}
			checkItem(t, item)
		}
		if n := bytes.Count(body, []byte("\n")) + 1; len(whole) > n+1 {
			t.Errorf("%d items of %d lines", len(whole), n)
		}
	})
}

func readApply(t *testing.T, body io.Reader) (items []resource.ApplyItem) {
	t.Helper()
	reader := &applyReader{lines: newLineReader(body, fuzzLine), server: New(Options{}), scope: &resource.Scope{DataType: "a.b.c", Cluster: "c"}}
	for batch, err := range reader.batches {
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, batch...)
	}
	return items
}

func checkItem(t *testing.T, item resource.ApplyItem) {
	t.Helper()
	var told *resource.Error
	if item.Err != nil && (!errors.As(item.Err, &told) || told.Detail == "" || told.Code == resource.Internal) {
		t.Errorf("error %#v", item.Err)
	}
	key := item.Put.Key
	key.Source = "s" // the backend's to fill in
	if err := key.Validate(); item.Err == nil && (err != nil || len(item.Put.Spec.Data) == 0) {
		t.Errorf("item %+v: %v", item.Put, err)
	}
	if len(key.ID) > resource.MaxIDLength || len(key.Cluster) > resource.MaxNameLength {
		t.Errorf("key %s is told", key)
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("y", 3*lineBuffer)
	l := newLineReader(strings.NewReader(" a \r\n\n"+long+"\nb\n"+long), 4)
	for i, want := range []struct {
		line    string
		tooLong bool
	}{{"a", false}, {"", false}, {"", true}, {"b", false}, {"", true}} {
		line, tooLong, err := l.next()
		if err != nil || string(line) != want.line || tooLong != want.tooLong || l.count != i+1 {
			t.Errorf("line %d: %q, too long %v, %v; want %+v", l.count, line, tooLong, err, want)
		}
	}
	if _, _, err := l.next(); err != io.EOF {
		t.Errorf("error %v after the last line", err)
	}
}

// A body that breaks off does not end in a line.
func TestALineThatIsCutIsNone(t *testing.T) {
	broken := errors.New("broken")
	l := newLineReader(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)), 10)
	if line, _, err := l.next(); err != nil || string(line) != "a" {
		t.Fatalf("%q, %v", line, err)
	}
	if line, _, err := l.next(); !errors.Is(err, broken) || line != nil {
		t.Errorf("%q, %v", line, err)
	}
}
