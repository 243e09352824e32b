package localapi_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
)

const token = "t0ken"

// serveTCP serves on a TCP listener of its own until the test ends.
func serveTCP(t testing.TB, run func(context.Context, net.Listener) error) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr()
}

// guarded serves the guarded API, and returns how it is called.
func guarded(t testing.TB, server *localapi.Server) func(method, target string, headers ...string) answer {
	t.Helper()
	// A certificate of the standard library's is enough here.
	own := httptest.NewUnstartedServer(nil)
	own.StartTLS()
	own.Close()
	pool := x509.NewCertPool()
	pool.AddCert(own.Certificate())
	config := &tls.Config{Certificates: own.TLS.Certificates, NextProtos: []string{"http/1.1"}}
	guard := server.Guarded(func(given string) bool { return given == token })
	addr := serveTCP(t, func(ctx context.Context, l net.Listener) error { return guard.ServeTLS(ctx, l, config) })
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "example.com"}}
	t.Cleanup(transport.CloseIdleConnections)
	a := &api{t: t, http: &http.Client{Transport: transport}}
	return func(method, target string, headers ...string) answer {
		t.Helper()
		req, err := http.NewRequest(method, "https://"+addr.String()+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, header := range headers {
			name, value, _ := strings.Cut(header, ": ")
			req.Header.Add(name, value)
		}
		return a.do(req)
	}
}

func TestOverTCPEveryCallNeedsTheToken(t *testing.T) {
	backend := apitest.New(resource.Source)
	server := localapi.New(localapi.Options{Backend: backend, AllowedUIDs: func() []uint32 { return []uint32{1 << 30} }})
	call := guarded(t, server)
	paths := []string{"/nowhere"}
	for _, route := range server.Routes() {
		paths = append(paths, fill(route.Pattern))
	}
	for _, path := range paths {
		got := call("GET", path)
		got.wantProblem(401, resource.Unauthenticated, "Authorization: Bearer TOKEN")
		if got.header.Get("WWW-Authenticate") != `Bearer realm="sidecar"` {
			t.Errorf("%s: WWW-Authenticate: %q", path, got.header.Get("WWW-Authenticate"))
		}
	}
	for _, wrong := range []string{"Bearer t0ke", "Bearer t0kenn", "Bearer T0KEN", "Basic t0ken", "t0ken", "Bearer", "Bearer  "} {
		call("GET", "/v1/status", "Authorization: "+wrong).wantProblem(401, resource.Unauthenticated)
	}
	got := call("GET", "/v1/status", "Authorization: Bearer nope")
	if !strings.Contains(got.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("WWW-Authenticate: %q", got.header.Get("WWW-Authenticate"))
	}
	for _, right := range []string{"Bearer t0ken", "bearer t0ken", "BEARER   t0ken"} {
		call("GET", "/v1/status", "Authorization: "+right).want(200, `"role":"source"`)
	}
}

func TestShutdownIsForTheSocketOnly(t *testing.T) {
	backend := apitest.New(resource.Source)
	call := guarded(t, localapi.New(localapi.Options{Backend: backend}))
	call("POST", "/v1/shutdown", "Authorization: Bearer "+token).wantProblem(403, resource.Forbidden, "Unix socket")
	if backend.Shutdowns() != 0 {
		t.Error("it ends")
	}
}

func TestRefusalsAreThrottledAndTheTokenNeverIs(t *testing.T) {
	call := guarded(t, localapi.New(localapi.Options{Backend: apitest.New(resource.Source)}))
	told := map[int]int{}
	for range 80 {
		got := call("GET", "/v1/status", "Authorization: Bearer guess")
		if told[got.status]++; got.status == 429 {
			got.wantProblem(429, resource.TooManyRequests)
			if got.header.Get("Retry-After") == "" {
				t.Fatal("no Retry-After")
			}
		}
	}
	if told[401] < 50 || told[429] == 0 || told[401]+told[429] != 80 {
		t.Errorf("answers %v", told)
	}
	call("GET", "/v1/status", "Authorization: Bearer "+token).want(200)
}

func TestProbesAreThreeCallsAndNoMore(t *testing.T) {
	server := localapi.New(localapi.Options{
		Backend: apitest.New(resource.Source), AllowedUIDs: func() []uint32 { return []uint32{1 << 30} },
		Metrics: metricsOf(newRegistry()),
	})
	addr := serveTCP(t, server.Probes().Serve)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	a := &api{t: t, http: &http.Client{Transport: transport}}
	for _, route := range server.Routes() {
		path := fill(route.Pattern)
		want := 404
		if path == "/livez" || path == "/metrics" || strings.HasPrefix(path, "/readyz") {
			want = 200
		}
		req, err := http.NewRequest(route.Method, "http://"+addr.String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.do(req); got.status != want {
			t.Errorf("%s %s: status %d, want %d", route.Method, path, got.status, want)
		}
	}
}

func TestConnectionsWithoutAPlaceAreToldSo(t *testing.T) {
	addr := serveTCP(t, localapi.New(localapi.Options{Backend: apitest.New(resource.Source)}).Probes().Serve)
	get := func() (net.Conn, *http.Response) {
		t.Helper()
		conn, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		fmt.Fprintf(conn, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		return conn, response
	}
	var open []net.Conn
	for range 64 {
		conn, response := get()
		if response.StatusCode != 200 {
			t.Fatalf("status %d of connection %d", response.StatusCode, len(open))
		}
		open = append(open, conn)
	}
	for range 40 { // more than are refused at a time
		conn, response := get()
		body, _ := io.ReadAll(response.Body)
		if response.StatusCode != 503 || !response.Close || response.Header.Get("Retry-After") == "" || !strings.Contains(string(body), "64 connections") {
			t.Fatalf("status %d: %s", response.StatusCode, body)
		}
		_ = conn.Close()
	}
	_ = open[0].Close()
	eventually(t, "a place is free again", func() bool {
		_, response := get()
		return response.StatusCode == 200
	})
}
