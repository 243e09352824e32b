//go:build e2e

package e2e_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// wire is a connection on which a story writes byte by byte.
type wire struct {
	net.Conn
	t testing.TB
}

// wires are ways to connect to one sidecar.
func wires(t testing.TB, s *sidecar, api, probes string) map[string]func() *wire {
	return map[string]func() *wire{
		"socket": func() *wire { return dialWire(t, "unix", s.socket()) },
		"probes": func() *wire { return dialWire(t, "tcp", probes) },
		"tcp": func() *wire {
			w := dialWire(t, "tcp", api)
			secured := tls.Client(w.Conn, &tls.Config{InsecureSkipVerify: true})
			if err := secured.Handshake(); err != nil {
				t.Fatal(err)
			}
			return &wire{secured, t}
		},
	}
}

func dialWire(t testing.TB, network, addr string) *wire {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &wire{conn, t}
}

// closes waits until the other side has closed the connection, and returns what
// it said, and after how long.
func (w *wire) closes(within time.Duration) (said string, took time.Duration) {
	w.t.Helper()
	began := time.Now()
	_ = w.SetReadDeadline(began.Add(within))
	data, err := io.ReadAll(w)
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		w.t.Errorf("the connection is open after %s", within)
	}
	return string(data), time.Since(began)
}

// drip writes a byte every 100 ms until the other side hangs up.
func (w *wire) drip(text string) {
	for {
		for i := range len(text) {
			if _, err := w.Write([]byte{text[i]}); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// TestSlowCallers: a request that does not come to its end is cut off, wherever
// it comes in, and calls beside it are answered meanwhile.
func TestSlowCallers(t *testing.T) {
	t.Parallel()
	probes := freeAddr(t)
	s, api := listening(t, settings{"probes": settings{"listen": probes}})
	for name, dial := range wires(t, s, api, probes) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slow := dial()
			fmt.Fprint(slow, "GET /livez HTTP/1.1\r\nHost: x\r\n")
			go slow.drip("X-Drip: drip\r\n")
			if _, took := slow.closes(15 * time.Second); took > 8*time.Second {
				t.Errorf("headers that drip hold a connection for %s", took)
			}
		})
		t.Run(name+", silent", func(t *testing.T) {
			t.Parallel()
			if _, took := dial().closes(15 * time.Second); took > 8*time.Second {
				t.Errorf("a connection that says nothing is open for %s", took)
			}
		})
		t.Run(name+", large headers", func(t *testing.T) {
			t.Parallel()
			w := dial()
			fmt.Fprintf(w, "GET /livez HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n", strings.Repeat("x", 40<<10))
			if said, _ := w.closes(15 * time.Second); !strings.Contains(said, "431") {
				t.Errorf("headers of 40 KiB: %.100q", said)
			}
		})
	}
	t.Run("TLS that does not begin", func(t *testing.T) {
		t.Parallel()
		if _, took := dialWire(t, "tcp", api).closes(15 * time.Second); took > 8*time.Second {
			t.Errorf("it holds a connection for %s", took)
		}
	})
	t.Run("a body that does not come", func(t *testing.T) {
		t.Parallel()
		w := dialWire(t, "unix", s.socket())
		fmt.Fprintf(w, "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", devicePut)
		said, took := w.closes(45 * time.Second)
		if !holdsAll(said, []string{" 408 ", `"code":"timeout"`}) || took > 40*time.Second {
			t.Errorf("after %s: %.300q", took, said)
		}
	})
	t.Run("calls beside it", func(t *testing.T) {
		t.Parallel()
		r := s.raw(t)
		for range 50 {
			began := time.Now()
			r.wants(200, "", "GET", "/livez", "")
			if took := time.Since(began); took > time.Second {
				t.Errorf("a call took %s", took)
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

// TestTooManyConnections: who comes when all places are taken is told so, and
// the other listeners do not suffer.
func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	probes := freeAddr(t)
	s, api := listening(t, settings{"probes": settings{"listen": probes}})
	fill := func(network, addr string, places int) {
		t.Helper()
		const others = 5 // connections that the test keeps besides
		for n := range places + 1 {
			w := dialWire(t, network, addr)
			fmt.Fprint(w, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
			switch response := w.response(); {
			case response.StatusCode == 503 && n >= places-others:
				return
			case response.StatusCode != 200:
				t.Fatalf("status %d of connection %d", response.StatusCode, n)
			}
		}
		t.Fatalf("more than %d connections are served", places)
	}
	refused := func(network, addr string) {
		t.Helper()
		for range 100 { // more than are told at a time
			w := dialWire(t, network, addr)
			fmt.Fprint(w, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
			response := w.response()
			if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" || !response.Close {
				t.Fatalf("status %d, %v", response.StatusCode, response.Header)
			}
			_ = w.Close()
		}
	}
	fill("tcp", probes, 64)
	refused("tcp", probes)
	s.raw(t).wants(200, "", "GET", "/livez", "")
	s.rawTCP(t, api).wants(200, "", "GET", "/livez", "")
	fill("unix", s.socket(), 2048)
	refused("unix", s.socket())
	s.rawTCP(t, api).wants(200, "", "GET", "/livez", "")
	if m := s.proc.memory(t); m.rss > 120<<20 {
		t.Errorf("with all places taken it has %s", m)
	}
}

// response reads one answer.
func (w *wire) response() *http.Response {
	w.t.Helper()
	_ = w.SetReadDeadline(time.Now().Add(10 * time.Second))
	response, err := http.ReadResponse(bufio.NewReader(w), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	return response
}

// TestACallerWithoutATokenHoldsNoPlace: connections of strangers are closed
// with the refusal.
func TestACallerWithoutATokenHoldsNoPlace(t *testing.T) {
	t.Parallel()
	probes := freeAddr(t)
	s, api := listening(t, settings{"probes": settings{"listen": probes}})
	w := wires(t, s, api, probes)["tcp"]()
	fmt.Fprint(w, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
	said, took := w.closes(10 * time.Second)
	if !holdsAll(said, []string{" 401 ", string(resource.Unauthenticated)}) || took > 2*time.Second {
		t.Errorf("after %s: %.300q", took, said)
	}
}
