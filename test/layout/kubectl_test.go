package layout_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// versionOf is the version of a module that the go.mod of a folder requires.
func versionOf(t *testing.T, folder, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", folder, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(name) + ` (v\S+)$`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s/go.mod does not require %s", folder, name)
	}
	return string(found[1])
}

func TestKubectlIsOfOurKubernetes(t *testing.T) {
	ours, kubectl := versionOf(t, ".", "k8s.io/apiserver"), versionOf(t, "test/kubectl", "k8s.io/kubectl")
	if ours != kubectl {
		t.Errorf("test/kubectl has k8s.io/kubectl %s, the API is of k8s.io/apiserver %s: make them the same", kubectl, ours)
	}
}
