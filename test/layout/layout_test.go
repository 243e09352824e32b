package layout_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/pillion-dev/pillion/"

// mayImport is the import column of docs/architecture.md: what of ours a
// package may import. Tests are free.
var mayImport = map[string][]string{
	"pkg/resource":                {},
	"pkg/event":                   {"pkg/resource"},
	"pkg/topics":                  {"pkg/resource"},
	"pkg/reconnect":               {},
	"pkg/manifestwork":            {"pkg/resource", "pkg/event"},
	"pkg/resync":                  {"pkg/resource", "pkg/event"},
	"pkg/store":                   {"pkg/resource"},
	"pkg/queue":                   {"pkg/resource"},
	"pkg/transport":               {"pkg/event"},
	"pkg/transport/transporttest": {"pkg/transport", "pkg/event", "pkg/resource"},
	"pkg/transport/mqtt":          {"pkg/transport", "pkg/topics", "pkg/event", "pkg/resource"},
	"pkg/proxy":                   {"pkg/resource", "pkg/event", "pkg/reconnect", "pkg/resync", "pkg/store", "pkg/queue", "pkg/transport", "pkg/manifestwork"},
	"pkg/workapi":                 {"pkg/resource", "pkg/store", "pkg/manifestwork"},
	"pkg/push":                    {"pkg/resource"},
	"pkg/access":                  {},
	"pkg/localapi":                {"pkg/resource"},
	"pkg/worker":                  {"pkg/resource"},
	"pkg/localapi/client":         {"pkg/resource"},
	"pkg/localapi/apitest":        {"pkg/resource", "pkg/localapi"},
	"pkg/config":                  {"pkg/resource", "pkg/topics"},
	"testbroker":                  {},
	"cmd/sidecar":                 {"pkg/manifestwork", "pkg/workapi", "pkg/resource", "pkg/reconnect", "pkg/store", "pkg/proxy", "pkg/push", "pkg/localapi", "pkg/localapi/client", "pkg/access", "pkg/worker", "pkg/config", "pkg/transport/mqtt", "testbroker"},
	"docs/generate":               {"pkg/localapi"},
}

// onlyImporter names the one folder that may import a library that must not
// spread.
var onlyImporter = map[string]string{
	"github.com/eclipse/paho.golang": "pkg/transport/mqtt",
	"go.etcd.io/bbolt":               "pkg/store",
	"github.com/mochi-mqtt/server":   "testbroker",
	"github.com/fsnotify/fsnotify":   "pkg/config",
	"github.com/spf13/cobra":         "cmd/sidecar",
	"github.com/coreos/go-systemd":   "cmd/sidecar",
	"k8s.io/apiserver":               "pkg/workapi",
	"github.com/getkin/kin-openapi":  "test/openapi",
}

// file is a Go file of the module that is not a test.
type file struct {
	folder  string
	path    string
	doc     bool
	imports []string
}

func files(t *testing.T) (all []file) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, _ := filepath.Rel(root, path)
		if d.IsDir() {
			if slices.Contains([]string{".git", "bin", "testdata", "bench", "node_modules"}, d.Name()) || relative == filepath.Join("test", "interop") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		all = append(all, parse(t, path, filepath.ToSlash(filepath.Dir(relative))))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func parse(t *testing.T, path, folder string) file {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	f := file{folder: folder, path: path, doc: tree.Doc != nil}
	for _, spec := range tree.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		f.imports = append(f.imports, name)
	}
	return f
}

func TestImportsFollowTheArchitecture(t *testing.T) {
	for _, f := range files(t) {
		allowed, known := mayImport[f.folder]
		if strings.HasPrefix(f.folder, "test/") { // free, as tests are
			continue
		}
		if !known {
			t.Errorf("%s: folder %s is not in docs/architecture.md and in mayImport", f.path, f.folder)
			continue
		}
		for _, name := range f.imports {
			ours, ok := strings.CutPrefix(name, module)
			if ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s: %s may import %v of ours", f.path, ours, f.folder, allowed)
			}
		}
	}
}

func TestLibrariesStayInTheirFolder(t *testing.T) {
	for _, f := range files(t) {
		for _, name := range f.imports {
			for library, folder := range onlyImporter {
				if strings.HasPrefix(name, library) && f.folder != folder {
					t.Errorf("%s imports %s: only %s does", f.path, name, folder)
				}
			}
		}
	}
}

func TestEveryPackageHasOneDoc(t *testing.T) {
	docs := map[string]int{}
	for _, f := range files(t) {
		docs[f.folder] += 0
		if f.doc {
			docs[f.folder]++
		}
	}
	if len(docs) < len(mayImport) {
		t.Errorf("saw %d packages, %d are in mayImport", len(docs), len(mayImport))
	}
	for folder, n := range docs {
		if n != 1 {
			t.Errorf("%s has %d package docs, want 1", folder, n)
		}
	}
}
