package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// endless is an input without an end.
type endless string

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e)
	}
	return n, nil
}

func TestADocumentWithoutEndIsRefused(t *testing.T) {
	for _, text := range []endless{"a", "a: b\n", "# comment\n", "\x00"} {
		seen := 0
		for _, err := range yamlDocuments(bufio.NewReader(text), 100<<10) {
			if seen++; err == nil || !strings.Contains(err.Error(), "more than 102400 bytes") {
				t.Errorf("%q: error %v", text, err)
			}
		}
		if seen != 1 {
			t.Errorf("%q: %d documents", text, seen)
		}
	}
}

// FuzzYAMLDocuments: how much of a file is read at a time makes no difference.
func FuzzYAMLDocuments(f *testing.F) {
	for _, seed := range []string{"a: 1\n---\nb: 2\n", "--- {a: 1}\n--- \n...\n", strings.Repeat("a", 40) + ": 1\n---", "a: " + strings.Repeat(" ", 13) + "---\n", "----\n---\t1"} {
		f.Add([]byte(seed))
	}
	all := func(data []byte, buffer int) (docs []document, said []string) {
		for doc, err := range yamlDocuments(bufio.NewReaderSize(bytes.NewReader(data), buffer), 1<<20) {
			docs = append(docs, doc)
			if err != nil {
				said = append(said, err.Error())
			}
		}
		return docs, said
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, said := all(data, 64<<10)
		if few, saidToo := all(data, 16); !reflect.DeepEqual(few, docs) || !reflect.DeepEqual(saidToo, said) {
			t.Errorf("got %+v, %q; 16 bytes at a time %+v, %q", docs, said, few, saidToo)
		}
	})
}

// An interrupted apply ends although its input gives nothing and does not end.
func TestAnInterruptedApplyDoesNotWaitForItsInput(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := &cli{in: in, out: io.Discard, errOut: io.Discard, output: "table", socket: "/none.sock"}
	ended := make(chan error, 1)
	go func() { ended <- a.apply(ctx, &applyFlags{files: []string{"-"}}, nil) }()
	select {
	case err := <-ended:
		if err == nil || errors.Is(err, io.EOF) {
			t.Errorf("error %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("it waits for its input")
	}
}
