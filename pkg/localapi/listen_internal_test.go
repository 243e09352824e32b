package localapi

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// The path must not have a wider mode even before it gets its own: here nothing
// but the descriptor's mode narrows it.
func TestASocketIsNarrowFromItsFirstMoment(t *testing.T) {
	folder, err := os.MkdirTemp("", "api")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "s.sock")
	old := syscall.Umask(0)
	l, err := bindNarrow(path, 0o600)
	syscall.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}
