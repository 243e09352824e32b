package workapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Watches that begin with all there is do not end each other, however many there
// are and however slowly they are read: here nobody reads before all have begun,
// through the small buffers of a Unix socket.
func TestManySlowWatchesFromTheBeginning(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	const works, watches = 500 + 1, 18
	fill(t, w, works)
	client := overSocket(t, w.server.Config.Handler)
	var streams []*http.Response
	for range watches {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		t.Cleanup(cancel)
		r, err := http.NewRequestWithContext(ctx, "GET", "http://sidecar"+worksPath+"?watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = answer.Body.Close() })
		streams = append(streams, answer)
	}
	for i, answer := range streams {
		lines := bufio.NewReader(answer.Body)
		for n := 0; n <= works; n++ {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				t.Fatal(err)
			}
			var e event
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			want := "ADDED"
			if n == works {
				want = "BOOKMARK"
			}
			if e.Type != want {
				t.Fatalf("watch %d, event %d: %s, want %s", i, n, e, want)
			}
		}
	}
}

// overSocket serves on a Unix socket, and is a client for it.
func overSocket(t *testing.T, handler http.Handler) *http.Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
}
