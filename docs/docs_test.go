package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
)

const root = ".."

// walk calls visit for every file of the repository with one of the endings.
func walk(t *testing.T, visit func(path, text string), endings ...string) {
	t.Helper()
	skip := []string{".git", "bin", "dist", "node_modules", "testdata"}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(skip, d.Name()):
			return filepath.SkipDir
		case d.IsDir() || !slices.Contains(endings, filepath.Ext(path)):
			return nil
		}
		text, err := os.ReadFile(path)
		if err == nil {
			visit(path, string(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var heading = regexp.MustCompile(`(?m)^#+ (.+)$`)

// headings are those of a document, as they are written.
func headings(text string) (all []string) {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// anchor is how a link names a heading.
func anchor(heading string) string {
	heading = strings.ToLower(strings.ReplaceAll(heading, "`", ""))
	return strings.ReplaceAll(regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(heading, ""), " ", "-")
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	links := 0
	walk(t, func(path, text string) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, section, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			links++
			file := path
			if target != "" {
				file = filepath.Join(filepath.Dir(path), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: link to %s: %v", path, m[1], err)
				continue
			}
			if section != "" && !hasAnchor(document(t, file), section) {
				t.Errorf("%s: link to %s: there is no such section", path, m[1])
			}
		}
	}, ".md")
	if links < 30 {
		t.Errorf("found %d links", links)
	}
}

func hasAnchor(text, section string) bool {
	return slices.ContainsFunc(headings(text), func(h string) bool { return anchor(h) == section })
}

// reference is how code names a rule: docs/FILE.md, or with a section,
// docs/FILE.md, "Section". It may run over the end of a comment's line.
var reference = regexp.MustCompile(`\bdocs/([a-z]+)\.md(?:, "?([A-Z/][A-Za-z/1-9 ]*[A-Za-z1-9]))?`)

var commentBreak = regexp.MustCompile(`\n\s*// ?`)

// What code calls a rule must be found under that name: as a heading, or as
// the text of a link to where it has moved.
func TestCodeRefersToSectionsThatExist(t *testing.T) {
	references := 0
	walk(t, func(path, text string) {
		for _, m := range reference.FindAllStringSubmatch(commentBreak.ReplaceAllString(text, " "), -1) {
			references++
			text, err := os.ReadFile(m[1] + ".md")
			if err != nil {
				t.Errorf("%s: %s: %v", path, m[0], err)
				continue
			}
			if m[2] != "" && !names(string(text), m[2]) {
				t.Errorf("%s: docs/%s.md has no section %q", path, m[1], m[2])
			}
		}
	}, ".go")
	if references < 40 {
		t.Errorf("found %d references: has their form changed?", references)
	}
}

// names tells whether the text begins with the name of a section: behind it a
// sentence may go on.
func names(document, text string) bool {
	for _, h := range headings(document) {
		if strings.HasPrefix(text+" ", h+" ") {
			return true
		}
	}
	return false
}

func TestEveryConfigurationKeyIsTold(t *testing.T) {
	told := document(t, "configuration.md")
	full := document(t, filepath.Join(root, "pkg", "config", "testdata", "full.yaml")) +
		document(t, filepath.Join(root, "pkg", "config", "testdata", "handlers.yaml"))
	for _, m := range regexp.MustCompile(`(?m)^\s*([a-zA-Z]+):`).FindAllStringSubmatch(full, -1) {
		if key := m[1]; !regexp.MustCompile(`[.` + "`" + `]` + key + `[.` + "`" + `]|## ` + key).MatchString(told) {
			t.Errorf("configuration.md says nothing of %s", key)
		}
	}
}

func TestEveryMetricIsTold(t *testing.T) {
	told := document(t, "operations.md")
	name := regexp.MustCompile(`"((?:sidecar|cloudevents|resources)_[a-z_]+)"`)
	reason := regexp.MustCompile(`(?m)^\tdrop[A-Za-z]+ += "([a-z_]+)"`)
	found := 0
	walk(t, func(path, text string) {
		if strings.HasSuffix(path, "_test.go") || !strings.Contains(path, filepath.Join(root, "pkg")) {
			return
		}
		for _, m := range append(name.FindAllStringSubmatch(text, -1), reason.FindAllStringSubmatch(text, -1)...) {
			found++
			if !strings.Contains(told, "`"+m[1]+"`") {
				t.Errorf("operations.md says nothing of %s (%s)", m[1], path)
			}
		}
	}, ".go")
	if found < 20 {
		t.Errorf("found %d metrics and reasons: has their form changed?", found)
	}
}

func TestEveryCallIsTold(t *testing.T) {
	told := document(t, "api.md")
	routes := localapi.New(localapi.Options{Backend: apitest.New(resource.Source)}).Routes()
	if len(routes) < 20 {
		t.Fatalf("the API has %d routes", len(routes))
	}
	for _, r := range routes {
		if !strings.Contains(told, "`"+r.String()+"`") {
			t.Errorf("api.md says nothing of %s", r.String())
		}
		for _, parameter := range r.Query {
			if !regexp.MustCompile("[`?&]" + parameter + "[`=]").MatchString(told) {
				t.Errorf("api.md says nothing of the parameter %s of %s", parameter, r.String())
			}
		}
	}
}

func TestEveryErrorIsTold(t *testing.T) {
	told := document(t, "reference.md")
	code := regexp.MustCompile(`(?m)^\t[A-Za-z]+ +Code = "([a-z_]+)"`)
	codes := code.FindAllStringSubmatch(document(t, filepath.Join(root, "pkg", "resource", "error.go")), -1)
	if len(codes) < 15 {
		t.Fatalf("found %d codes: has their form changed?", len(codes))
	}
	for _, m := range codes {
		if !strings.Contains(told, "`"+m[1]+"`") {
			t.Errorf("reference.md says nothing of the error %s", m[1])
		}
	}
}
