package config_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/config"
)

// patience is far above the 2 s of the promise, for a busy machine, and below
// the 10 s after which polling would find a change as well.
const patience = 6 * time.Second

// watched is a watcher at work, and what it gave to apply.
type watched struct {
	*config.Watcher
	log *logBuffer

	mu      sync.Mutex
	applied []*config.Config
	refuse  error
}

// watch loads the file and runs a watcher of it until the test ends.
func watch(t *testing.T, path string, set ...func(*config.Watcher)) *watched {
	t.Helper()
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return watchFrom(t, path, c, set...)
}

func watchFrom(t *testing.T, path string, c *config.Config, set ...func(*config.Watcher)) *watched {
	t.Helper()
	w := &watched{log: &logBuffer{}}
	w.Watcher = config.NewWatcher(path, c, slog.New(slog.NewTextHandler(w.log, nil)))
	for _, set := range set {
		set(w.Watcher)
	}
	before := w.Status().LoadedAt
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx, w.apply) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	eventually(t, "the first look", func() bool { return w.Status().LoadedAt.After(before) || w.Status().Error != "" })
	return w
}

func (w *watched) apply(c *config.Config) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.applied = append(w.applied, c)
	return w.refuse
}

func (w *watched) setRefuse(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse = err
}

// all is what was applied up to now.
func (w *watched) all() []*config.Config {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.applied
}

// waitApplied waits until the last that was applied is as wanted.
func (w *watched) waitApplied(t *testing.T, what string, wanted func(*config.Config) bool) {
	t.Helper()
	eventually(t, what, func() bool {
		all := w.all()
		return len(all) > 0 && wanted(all[len(all)-1])
	})
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// logBuffer is a log that a test can read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// mount is a folder as kubelet makes it of a ConfigMap or Secret: every file is
// a link into ..data, itself a link to a folder of this version.
type mount string

// set swaps in a new version of all files, as kubelet does.
func (m mount) set(t *testing.T, files map[string]string) {
	t.Helper()
	folder := string(m)
	version, err := os.MkdirTemp(folder, "..version")
	must(t, err)
	for name, content := range files {
		write(t, version, name, content)
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(folder, name)); !errors.Is(err, os.ErrExist) {
			must(t, err)
		}
	}
	old, oldErr := filepath.EvalSymlinks(filepath.Join(folder, "..data"))
	must(t, os.Symlink(filepath.Base(version), filepath.Join(folder, "..data_tmp")))
	must(t, os.Rename(filepath.Join(folder, "..data_tmp"), filepath.Join(folder, "..data")))
	if oldErr == nil {
		must(t, os.RemoveAll(old))
	}
}

func (m mount) file(name string) string { return filepath.Join(string(m), name) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
