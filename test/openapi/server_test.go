package openapi_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/test/openapi"
)

// patience is for what must happen.
const patience = 20 * time.Second

// server is a sidecar as a caller of its API sees it. What it answers must be
// in the document.
type server struct {
	t    *testing.T
	doc  *openapi.Document
	http *http.Client
	seen map[string]bool // "operationId status"; shared
}

func newServer(t *testing.T, socket string, seen map[string]bool) *server {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &server{t: t, doc: document(t), http: &http.Client{Transport: transport, Timeout: patience}, seen: seen}
}

// answer is what a call was answered.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// call makes a call; headers are names and values in turn.
func (s *server) call(method, target, body string, headers ...string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://sidecar"+target, bytes.NewReader([]byte(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, target, err)
	}
	s.check(req, body, response, got)
	return answer{response.StatusCode, response.Header, got}
}

// want is call for a status.
func (s *server) want(status int, method, target, body string, headers ...string) answer {
	s.t.Helper()
	got := s.call(method, target, body, headers...)
	if got.status != status {
		s.t.Fatalf("%s %s: %d, want %d: %s", method, target, got.status, status, got.body)
	}
	return got
}

// until calls until the answer is as it shall be.
func (s *server) until(method, target, body string, holds func(answer) bool) answer {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		got := s.call(method, target, body)
		if holds(got) {
			return got
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s %s: not within %s: %d %s", method, target, patience, got.status, got.body)
		}
	}
}

func (s *server) check(req *http.Request, body string, response *http.Response, got []byte) {
	s.t.Helper()
	err := s.doc.Check(openapi.Exchange{
		Method: req.Method, URL: req.URL, RequestType: req.Header.Get("Content-Type"), Request: []byte(body),
		Status: response.StatusCode, Header: response.Header, Answer: got,
	})
	if err != nil {
		s.t.Error(err)
	}
	if id := s.doc.OperationID(req.Method, req.URL); id != "" {
		s.seen[seen(id, response.StatusCode)] = true
	}
}
