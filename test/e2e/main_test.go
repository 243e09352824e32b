//go:build e2e

package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// binary is the sidecar under test: the one that SIDECAR_BIN names, or one that
// is built from this checkout.
var binary = os.Getenv("SIDECAR_BIN")

// built is the folder of what the tests build themselves.
var built string

// kubectlBinary is the kubectl that KUBECTL_BIN names, or one that is built
// from test/kubectl.
var kubectlBinary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("KUBECTL_BIN"); path != "" {
		return path, nil
	}
	path := filepath.Join(built, "kubectl")
	return path, build(path, "../kubectl", ".")
})

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "e2e-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = dir
	if binary == "" {
		binary = filepath.Join(dir, "sidecar")
		if err := build(binary, "../..", "./cmd/sidecar"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// build makes a program of a package of the module in that folder.
func build(path, module, pkg string) error {
	cmd := exec.Command("go", "build", "-C", module, "-trimpath", "-ldflags", "-s -w", "-o", path, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is released
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s of %s: %w\n%s", pkg, module, err, out)
	}
	return nil
}
