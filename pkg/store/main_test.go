package store_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

// children are what the test binary can be started again as.
var children = map[string]func(dir string) error{
	"writer":      writeUntilKilled,
	"disk full":   fillDisk,
	"file full":   fillFile,
	"first start": startOnFullDisk,
	"panic":       panicInObserver,
}

const (
	childName = "STORE_TEST_CHILD"
	childDir  = "STORE_TEST_DIR"
	childSync = "STORE_TEST_SYNC"
)

// No test may leave a goroutine behind: not the committer, not a timer.
func TestMain(m *testing.M) {
	child := children[os.Getenv(childName)]
	if child == nil {
		goleak.VerifyTestMain(m)
		return
	}
	if err := child(os.Getenv(childDir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// childCommand starts the test binary as a child that works on dir.
func childCommand(t *testing.T, name, dir string, sync bool) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childName+"="+name, childDir+"="+dir, fmt.Sprintf("%s=%t", childSync, sync))
	return cmd
}
