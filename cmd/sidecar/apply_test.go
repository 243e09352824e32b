package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// folder makes files of texts by their paths.
func (s *shell) folder(files map[string]string) string {
	s.t.Helper()
	root := s.t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	return root
}

func itemJSON(id, more string) string {
	return fmt.Sprintf(`{"dataType":%q,"cluster":"cluster1","id":%q%s}`, devices, id, more)
}

func itemYAML(id, more string) string {
	return fmt.Sprintf("dataType: %s\ncluster: cluster1\nid: %s\n%s\n", devices, id, more)
}

func (s *shell) ids() (ids []string) {
	for _, res := range s.stored().Items {
		ids = append(ids, res.ID)
	}
	return ids
}

func (s *shell) stored() (list resource.List) {
	s.t.Helper()
	out := s.run("get", devices, "-o", "json").want(0).out
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		s.t.Fatal(err)
	}
	return list
}

func TestApplyReadsFilesOfAllKinds(t *testing.T) {
	s := newShell(t, resource.Source)
	root := s.folder(map[string]string{
		"b.yaml":     "# two\n---\n" + itemYAML("yaml-1", "spec: {n: 1}") + "---\n\n" + itemYAML("yaml-2", "spec: |\n  text") + "...\n",
		"a.json":     "{\n  \"items\": [" + itemJSON("json-1", `,"spec":1`) + ",\n" + itemJSON("json-2", `,"spec":2`) + "]}",
		"c.ndjson":   itemJSON("line-1", `,"spec":1`) + "\n\n" + itemJSON("line-2", `,"spec":2`) + "\n" + `{"end":true,"items":2}`,
		"d.jsonl":    "[" + itemJSON("array-1", `,"spec":1`) + "]",
		"empty.yml":  "# nothing\n",
		"notes.txt":  "no resource",
		"sub/e.yaml": itemYAML("sub-1", "spec: 1"),
	})
	s.run("apply", "-f", root).want(0, "7 applied, 0 unchanged, 0 deleted, 0 failed")
	if got := strings.Join(s.ids(), " "); got != "array-1 json-1 json-2 line-1 line-2 yaml-1 yaml-2" {
		t.Errorf("stored %s", got)
	}
	s.run("apply", "-f", root, "-R").want(0, "1 applied, 7 unchanged")
	s.stdin = itemYAML("stdin-1", "spec: 1")
	s.run("apply", "-f", filepath.Join(root, "sub"), "-f", "-").want(0, "1 applied, 1 unchanged")

	s.stdin = s.run("get", devices, "-o", "json").want(0).out
	s.run("apply", "-f", "-").want(0, "0 applied, 9 unchanged")
	s.stdin = s.run("get", devices, "-o", "yaml").want(0).out
	s.run("apply", "-f", "-").want(0, "0 applied, 9 unchanged")
}

func TestApplyPrunes(t *testing.T) {
	s := newShell(t, resource.Source)
	s.run("apply", "-f", s.file(itemYAML("a", "spec: 1")+"---\n"+itemYAML("b", "spec: 1"))).want(0)
	prune := []string{"apply", "--prune", "--data-type", devices, "--cluster", "cluster1", "-f"}
	bad := s.file(itemYAML("a", "spec: 1") + "---\n" + itemYAML("c", "specc: 1"))
	if got := s.run(append(prune, bad)...); got.code != 1 || !strings.Contains(got.err, "nothing was pruned") || !strings.Contains(got.out, "0 deleted") {
		t.Errorf("exit code %d: %s%s", got.code, got.out, got.err)
	}
	s.run(append(prune, s.file(itemYAML("b", "spec: 1")))...).want(0, "1 unchanged, 1 deleted")
	for _, nothing := range []string{"", "\n", "# nothing\n---\n"} { // as of a program that has failed
		if got := s.run(append(prune, s.file(nothing))...); got.code != 1 || !strings.Contains(got.err, "nothing is pruned") {
			t.Errorf("%q: got %+v", nothing, got)
		}
	}
	s.run(append(prune, s.file("[]"))...).want(0, "1 deleted")
	s.run("status").want(0, devices+" on cluster1")
}

func TestApplyTellsWhereItFailed(t *testing.T) {
	s := newShell(t, resource.Source)
	yaml := s.file("\n# one\n" + itemYAML("a", "spec: 1") + "---\n# two\n" + itemYAML("b", "specc: 1"))
	lines := s.file(itemJSON("c", `,"spec":1`) + "\n" + itemJSON("d", "") + "\n")
	got := s.run("apply", "-f", yaml, "-f", lines)
	if got.code != 1 || !strings.Contains(got.out, "2 applied, 0 unchanged, 0 deleted, 2 failed") {
		t.Fatalf("exit code %d: %s%s", got.code, got.out, got.err)
	}
	for _, text := range []string{yaml + ":9: b on cluster1: /specc is not a known field", lines + ":2: d on cluster1: spec is missing", "sidecar: 2 failed; correct them"} {
		if !strings.Contains(got.err, text) {
			t.Errorf("it lacks %q: %s", text, got.err)
		}
	}
	var value struct {
		Failed int
		Errors []struct {
			File string
			Line int
			Code string
		}
	}
	if err := json.Unmarshal([]byte(s.run("apply", "-f", yaml, "-o", "json").out), &value); err != nil {
		t.Fatal(err)
	}
	if value.Failed != 1 || len(value.Errors) != 1 || value.Errors[0].File != yaml || value.Errors[0].Line != 9 || value.Errors[0].Code != "invalid_argument" {
		t.Errorf("%+v", value)
	}
}

func TestApplyStopsAtWhatCannotBeRead(t *testing.T) {
	s := newShell(t, resource.Source)
	for name, c := range map[string]struct{ text, says string }{
		"broken JSON":   {itemJSON("a", `,"spec":1`) + "\n{\n\"x\": }", ":3: not JSON"},
		"cut JSON":      {itemJSON("a", `,"spec":1`) + "\n\n{\"x\":", ":3: it ends in the middle"},
		"broken YAML":   {"---\na: 1\n---\n\nb: [\n", ":3: neither JSON nor YAML: [5:"},
		"a scalar":      {"7", ":1: it is neither a resource"},
		"items no list": {`{"items":7}`, "items is not a list"},
		"end mark":      {itemJSON("a", `,"spec":1`) + "\n" + `{"end":true,"items":7}`, ":2: the end mark counts 7 items and 1 came"},
	} {
		file := s.file(c.text)
		got := s.run("apply", "-f", file)
		if got.want(1); !strings.Contains(got.err, file+":") || !strings.Contains(got.err, c.says) {
			t.Errorf("%s: %s", name, got.err)
		}
	}
	s.run("apply", "-f", filepath.Join(t.TempDir(), "none")).want(1, "no such file")
	s.run("apply", "-f", t.TempDir()).want(1, "holds no file")
}

func TestApplyIsUsedRightly(t *testing.T) {
	s := newShell(t, resource.Source)
	file := s.file("{}")
	for _, args := range [][]string{
		{"apply"}, {"apply", "x", "-f", file}, {"apply", "-f", file, "--prune"}, {"apply", "-f", file, "--cluster", "c"},
		{"apply", "-f", file, "--prune", "--cluster", "C", "--data-type", devices}, {"apply", "-f", file, "--prune", "--cluster", "c"},
	} {
		s.run(args...).want(2)
	}
	newShell(t, resource.Agent).run("apply", "-f", file).want(1, "source")
}

// FuzzDocuments: whatever a file holds, its documents are JSON, and their lines
// rise.
func FuzzDocuments(f *testing.F) {
	for _, seed := range []string{"", "{}\n{}", "[1,\n2]\n", "a: 1\n---\nb: 2\n", "--- {a: 1}\n--- \n...\n", "---\n---x\n", "{", "a: [", "\x00", "- &a [*a]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		last := 1
		for doc, err := range documentsOf(bufio.NewReader(bytes.NewReader(data))) {
			if doc.line < last {
				t.Errorf("line %d follows %d", doc.line, last)
			}
			last = doc.line
			if err == nil && !json.Valid(doc.text) {
				t.Errorf("document %q", doc.text)
			}
			if err == nil {
				_, _ = expand(doc.text, 0)
			}
		}
		if lines := bytes.Count(data, []byte("\n")) + 1; last > lines {
			t.Errorf("line %d of %d", last, lines)
		}
	})
}
