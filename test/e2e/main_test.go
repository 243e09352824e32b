//go:build e2e

package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binary is the sidecar under test: the one that SIDECAR_BIN names, or one that
// is built from this checkout.
var binary = os.Getenv("SIDECAR_BIN")

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if binary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "e2e-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "sidecar")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", binary, "../../cmd/sidecar")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is released
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the sidecar:", err)
		return 1
	}
	return m.Run()
}
