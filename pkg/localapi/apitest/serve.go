package apitest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/pillion-dev/pillion/pkg/localapi"
)

// Socket is a path for a Unix socket in a folder of its own: a test's own
// temporary folder may have a path that is too long for one.
func Socket(t testing.TB) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "api")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return filepath.Join(folder, "s.sock")
}

// Serve serves the options on a new socket until the test ends.
func Serve(t testing.TB, o localapi.Options) (socket string) {
	t.Helper()
	socket = Socket(t)
	t.Cleanup(ServeAt(t, o, socket))
	return socket
}

// ServeAt serves the options on that socket until stop is called, which
// returns when the server has ended.
func ServeAt(t testing.TB, o localapi.Options, socket string) (stop func()) {
	t.Helper()
	l, err := localapi.Listen(socket, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- localapi.New(o).Serve(ctx, l) }()
	var stopped bool
	return func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	}
}
