package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
)

// inputEndings are those of the files that are read of a folder.
var inputEndings = []string{".json", ".jsonl", ".ndjson", ".yaml", ".yml"}

// input is a file to apply.
type input struct {
	name string // "-": standard input
	size int64  // 0 = not known
}

// findFiles lists the files that the arguments name; those of folders in the
// order of their paths.
func findFiles(names []string, recursive bool) (files []input, err error) {
	for _, name := range names {
		if name == "-" {
			files = append(files, input{name: name})
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, input{name, info.Size()})
			continue
		}
		found, err := inFolder(name, recursive)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("folder %s holds no file that ends in one of %v", name, inputEndings)
		}
		files = append(files, found...)
	}
	return files, nil
}

func inFolder(folder string, recursive bool) (files []input, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != folder && !recursive:
			return filepath.SkipDir
		case d.IsDir() || !slices.Contains(inputEndings, filepath.Ext(path)):
			return nil
		}
		info, err := os.Stat(path) // of what a link leads to
		if err == nil && info.Mode().IsRegular() {
			files = append(files, input{path, info.Size()})
		}
		return err
	})
	return files, err
}

// reading is what is read of all files, one document at a time. Others may look
// at the counts meanwhile.
type reading struct {
	files   []input
	in      io.Reader // standard input
	prune   bool      // what is not in the files is deleted
	said    bool      // there was a document in them, be it an empty list
	origins origins
	bytes   atomic.Int64
	count   atomic.Int64 // items
}

// items yields each resource in the files as one line of JSON. Files in which
// there is nothing at all may come of a program that has failed: they are not
// taken for the wish to delete everything.
func (r *reading) items(yield func(json.RawMessage, error) bool) {
	for i := range r.files {
		if !r.itemsOf(&r.files[i], yield) {
			return
		}
	}
	if r.prune && !r.said {
		yield(nil, errors.New("there is nothing in the files, so nothing is pruned: to delete everything of the scope, apply the empty list, []"))
	}
}

func (r *reading) itemsOf(file *input, yield func(json.RawMessage, error) bool) (more bool) {
	from, closer, err := r.open(file)
	if err != nil {
		yield(nil, err)
		return false
	}
	defer closer.Close()
	items := 0
	for doc, err := range documentsOf(from) {
		var found []json.RawMessage
		r.said = true
		if err == nil {
			found, err = expand(doc.text, items)
		}
		if err != nil {
			yield(nil, fmt.Errorf("%s:%d: %w; what comes before it may have been applied", file.name, doc.line, err))
			return false
		}
		for _, item := range found {
			items++
			r.count.Add(1)
			r.origins.add(file.name, doc.line)
			if !yield(item, nil) {
				return false
			}
		}
	}
	return true
}

func (r *reading) open(file *input) (*bufio.Reader, io.Closer, error) {
	from, closer := r.in, io.NopCloser(nil)
	if file.name != "-" {
		f, err := os.Open(file.name)
		if err != nil {
			return nil, nil, err
		}
		from, closer = f, f
	}
	return bufio.NewReaderSize(counting{from, &r.bytes}, 64<<10), closer, nil
}

// counting counts what is read.
type counting struct {
	io.Reader
	n *atomic.Int64
}

// Read reads and counts.
func (c counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// expand is the resources in a document: itself, or those of a list. items is
// how many there were before in the file, for an end mark, which a file for the
// API may have.
func expand(document json.RawMessage, items int) ([]json.RawMessage, error) {
	var list []json.RawMessage
	switch document[0] {
	case '{':
		var object map[string]json.RawMessage
		if err := json.Unmarshal(document, &object); err != nil {
			return nil, err
		}
		if object["end"] != nil && object["spec"] == nil {
			return nil, checkEnd(object, items)
		}
		if object["items"] == nil || object["id"] != nil || object["spec"] != nil {
			list = []json.RawMessage{document}
		} else if err := json.Unmarshal(object["items"], &list); err != nil {
			return nil, errors.New("items is not a list")
		}
	case '[':
		if err := json.Unmarshal(document, &list); err != nil {
			return nil, err
		}
	default:
		return nil, errors.New("it is neither a resource nor a list of them")
	}
	for i := range list {
		var line bytes.Buffer
		if err := json.Compact(&line, list[i]); err != nil {
			return nil, err
		}
		list[i] = line.Bytes()
	}
	return list, nil
}

func checkEnd(mark map[string]json.RawMessage, items int) error {
	if got := string(mark["items"]); got != fmt.Sprint(items) {
		return fmt.Errorf("the end mark counts %.20s items and %d came: the file is not whole", got, items)
	}
	return nil
}

// origins remembers where each item came from.
type origins struct {
	files []string
	first []int // of each file, the number of its first item, from 1
	lines []uint32
}

func (o *origins) add(file string, line int) {
	o.lines = append(o.lines, uint32(line))
	if n := len(o.files); n == 0 || o.files[n-1] != file {
		o.files, o.first = append(o.files, file), append(o.first, len(o.lines))
	}
}

// of is where the item came from that was sent on that line.
func (o *origins) of(item int) (file string, line int) {
	if item < 1 || item > len(o.lines) {
		return "", item
	}
	i, found := slices.BinarySearch(o.first, item)
	if !found {
		i--
	}
	return o.files[i], int(o.lines[item-1])
}
