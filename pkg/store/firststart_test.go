//go:build unix

package store_test

import (
	"errors"
	"fmt"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
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

// Of those that start at once one has the store, and the others say so.
func TestFirstStartsAtOnce(t *testing.T) {
	for range 20 {
		dir := t.TempDir()
		stores := make(chan *store.Store, 4)
		var starting sync.WaitGroup
		for range cap(stores) {
			starting.Go(func() {
				if s, err := store.Open(store.Options{Dir: dir}); err == nil {
					stores <- s
				}
			})
		}
		starting.Wait()
		close(stores)
		var all []*store.Store
		for s := range stores {
			all = append(all, s)
		}
		if len(all) != 1 {
			t.Fatalf("%d have opened it", len(all))
		}
		put(t, all[0], key("a"), 1, "one")
		closeStore(t, all[0])
		if got := spec(t, open(t, dir), key("a")); got != "one" {
			t.Fatalf("spec is %q", got)
		}
	}
}
