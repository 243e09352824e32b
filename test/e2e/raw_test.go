//go:build e2e

package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// raw calls a sidecar as any HTTP client would, with whatever a story sends.
type raw struct {
	t    testing.TB
	base string
	http *http.Client
	auth string
}

// raw is the socket's.
func (s *sidecar) raw(t testing.TB) *raw {
	socket := s.socket()
	return newRaw(t, "http://sidecar", &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}})
}

// rawTCP is the TCP listener's, with its own CA and the token in that file.
func (s *sidecar) rawTCP(t testing.TB, addr string) *raw {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(readFile(t, filepath.Join(s.stateDir(), "ca.crt")))
	r := newRaw(t, "https://"+addr, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}})
	r.auth = "Bearer " + strings.TrimSpace(string(readFile(t, filepath.Join(s.stateDir(), "token"))))
	return r
}

func newRaw(t testing.TB, base string, transport *http.Transport) *raw {
	t.Cleanup(transport.CloseIdleConnections)
	return &raw{t: t, base: base, http: &http.Client{Transport: transport, Timeout: 60 * time.Second}}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// reply is what a call was answered.
type reply struct {
	status int
	code   resource.Code // of a problem
	header http.Header
	body   string
}

// call makes a call; headers are "Name: value".
func (r *raw) call(method, target, body string, headers ...string) reply {
	r.t.Helper()
	got, err := r.try(method, target, body, headers...)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, target, err)
	}
	return got
}

func (r *raw) try(method, target, body string, headers ...string) (reply, error) {
	return r.trace(nil, method, target, body, headers...)
}

// begin makes a call that waits, and returns when the sidecar has begun to
// answer: when it asks for the body, and of a call without one, with the head.
func (r *raw) begin(method, target, body string, answer func(reply, error)) {
	r.t.Helper()
	began := make(chan struct{})
	trace := &httptrace.ClientTrace{GotFirstResponseByte: sync.OnceFunc(func() { close(began) })}
	go func() { answer(r.trace(trace, method, target, body, "Expect: 100-continue")) }()
	select {
	case <-began:
	case <-time.After(20 * time.Second):
		r.t.Fatalf("%s %s did not begin", method, target)
	}
}

func (r *raw) trace(trace *httptrace.ClientTrace, method, target, body string, headers ...string) (reply, error) {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	ctx := context.Background()
	if trace != nil {
		ctx = httptrace.WithClientTrace(ctx, trace)
	}
	request, err := http.NewRequestWithContext(ctx, method, r.base+target, reader)
	if err != nil {
		return reply{}, err
	}
	if r.auth != "" {
		request.Header.Set("Authorization", r.auth)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	response, err := r.http.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{}, err
	}
	return newReply(response, string(text)), nil
}

func newReply(response *http.Response, text string) reply {
	got := reply{status: response.StatusCode, header: response.Header, body: text}
	if response.Header.Get("Content-Type") == "application/problem+json" {
		var p struct{ Code resource.Code }
		_ = json.Unmarshal([]byte(text), &p)
		got.code = p.Code
	}
	return got
}

// wants fails the test unless the call was answered so.
func (r *raw) wants(status int, code resource.Code, method, target, body string, headers ...string) reply {
	r.t.Helper()
	got := r.call(method, target, body, headers...)
	if got.status != status || got.code != code {
		if len(body) > 100 {
			body = body[:100] + "…"
		}
		r.t.Errorf("%s %s %s %q: %d %s, want %d %s: %.300s", method, target, body, headers, got.status, got.code, status, code, got.body)
	}
	return got
}
