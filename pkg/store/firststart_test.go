//go:build unix

package store_test

import (
	"errors"
	"fmt"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pillion-dev/pillion/pkg/store"
)

// A start that found no space, or was killed, leaves nothing that a later one
// stumbles over.
func TestAFirstStartOnAFullDiskHeals(t *testing.T) {
	t.Parallel()
	out, err := childCommand(t, "first start", t.TempDir(), true).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// startOnFullDisk is the child: the file may have so many bytes only, when it is
// made.
func startOnFullDisk(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	for pages := range 12 {
		dir := filepath.Join(dir, fmt.Sprint(pages))
		unlimited, err := limitFiles(uint64(pages)*4096 + 100)
		if err != nil {
			return err
		}
		s, full := store.Open(store.Options{Dir: dir, Sync: true})
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &unlimited); err != nil {
			return err
		}
		if full == nil {
			return errors.Join(fmt.Errorf("%d pages are enough", pages), s.Close())
		}
		if !strings.Contains(full.Error(), "free space") {
			return fmt.Errorf("%d pages: %w", pages, full)
		}
		if s, err = store.Open(store.Options{Dir: dir, Sync: true}); err != nil {
			return fmt.Errorf("after %d pages: %w", pages, err)
		}
		if err := errors.Join(putBig(s, "a", 1), s.Check(), s.Close()); err != nil {
			return err
		}
	}
	return nil
}
