// Package build makes the sidecar that a test runs as a process.
package build

import (
	"fmt"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
)

// Sidecar builds cmd/sidecar as the file path, with the build tags of the test
// that asks for it: with -tags lite a test has the lite sidecar. It takes a
// minute if the Go build cache is cold; the error holds what the compiler says.
func Sidecar(path string) error {
	cmd := exec.Command("go", "build", "-tags", tags(), "-o", path, "github.com/pillion-dev/pillion/cmd/sidecar")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the sidecar: %w\n%s", err, out)
	}
	return nil
}

// HasKubernetes tells whether such a sidecar serves the Kubernetes API.
func HasKubernetes() bool { return !slices.Contains(strings.Split(tags(), ","), "lite") }

// tags are those that this program was built with.
func tags() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, setting := range info.Settings {
		if setting.Key == "-tags" {
			return setting.Value
		}
	}
	return ""
}
