package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/pillion-dev/pillion/pkg/config"
)

// A bad file holds its own expectation: every line "#! LINE: message" is an
// error that it must have, and it must have no others.
func TestBadFiles(t *testing.T) {
	t.Setenv("SET", "set")
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bad files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := faults(t, string(data)), expected(string(data)); !slices.Equal(got, want) {
				t.Errorf("\n got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

func expected(text string) []string {
	var want []string
	for line := range strings.Lines(text) {
		if fault, ok := strings.CutPrefix(line, "#! "); ok {
			want = append(want, "c.yaml:"+strings.TrimSpace(fault))
		}
	}
	return want
}

// Faults that a comment in the file cannot describe, or would mend.
func TestBadText(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"empty":        {"", "c.yaml:1: role: is required: source or agent"},
		"not UTF-8":    {"role: source\nid: \xff\n", "c.yaml:2: is not text in UTF-8"},
		"zero byte":    {"role: source\x00\n", "c.yaml:1: is not text in UTF-8"},
		"open quote":   {"role: source\nid: \"hub1\n", "c.yaml:2: YAML: could not find end character of double-quoted text"},
		"text":         {"hello\n", "c.yaml:1: must be a mapping of keys, such as role: source, not a single value"},
		"list":         {"- a\n", "c.yaml:1: must be a mapping of keys, such as role: source, not a list"},
		"too large":    {strings.Repeat("#\n", 1<<18), "c.yaml: is too large: the limit is 262144 bytes"},
		"nested":       {strings.Repeat("[", 50_000), "c.yaml: has too many values: is this the configuration file?"},
		"two in one":   {minimal + "---\n" + minimal, "c.yaml:6: a second document begins here: one file holds one configuration"},
		"flow":         {"role: source\nmqtt: {password: ${X}}\n", "c.yaml:2: YAML: ',' or '}' must be specified; inside { } and [ ] put ${NAME} in quotes"},
		"loop":         {"role: source\nmqtt: &a\n  topics: *a\n", "c.yaml:3: this alias has no anchor above it: put text that begins with * in quotes"},
		"long id":      {"id: " + strings.Repeat("a", 64) + "\n", "c.yaml:1: id: must be 1 to 63 of a-z, 0-9 and -, not \"" + strings.Repeat("a", 64) + "\""},
		"long socket":  {"api: {socket: /" + strings.Repeat("s", 107) + "}\n", "c.yaml:1: api.socket: has 108 bytes and a Unix socket's path at most 107: choose a shorter one"},
		"second brace": {"role: source}\nid: x: y\n", "c.yaml:2: YAML: mapping value is not allowed in this context"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := faults(t, test.text); !slices.Contains(got, test.want) {
				t.Errorf("\n got:\n%s\nwant:\n%s", strings.Join(got, "\n"), test.want)
			}
		})
	}
}

func TestErrorsAreBounded(t *testing.T) {
	var text strings.Builder
	text.WriteString(minimal)
	for range 100 {
		text.WriteString("wrong: 1\n")
	}
	got := faults(t, text.String())
	if len(got) != 51 || !strings.HasSuffix(got[50], "and 50 more errors") {
		t.Errorf("%d lines, the last: %s", len(got), got[len(got)-1])
	}
}

func TestErrorType(t *testing.T) {
	_, err := config.Parse("c.yaml", []byte(minimal+"role: agent\n"))
	var all config.Errors
	var one *config.Error
	if !errors.As(err, &all) || len(all) != 1 || !errors.As(err, &one) {
		t.Fatalf("not Errors of one Error: %v", err)
	}
	if want := (config.Error{File: "c.yaml", Line: 5, Message: `key "role" is already on line 1`}); *one != want {
		t.Errorf("got %+v, want %+v", *one, want)
	}
}

func TestMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.yaml")
	_, err := config.Load(path)
	if want := path + ": no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	if _, err = config.Load(pipe); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a pipe: %v", err)
	}
	if _, err = config.Load(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
}
