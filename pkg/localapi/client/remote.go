package client

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
)

// Remote is a sidecar that is called over TCP (docs/security.md).
type Remote struct {
	Server    string // https://host:port
	CAFile    string // PEM of the CAs to trust; "" = the system's
	TokenFile string // read at every call, so that a new token counts at once
}

// NewRemote makes a client of a sidecar over TCP; it reads no file and does not
// connect before the first call.
func NewRemote(r Remote) *Client {
	server := strings.TrimRight(r.Server, "/")
	return newClient(server, "server "+server, &remote{Remote: r})
}

// setupError is what is wrong on this side.
type setupError struct{ error }

func (e *setupError) Unwrap() error { return e.error }

func setupf(format string, args ...any) error { return &setupError{fmt.Errorf(format, args...)} }

// remote adds the token to calls over TLS.
type remote struct {
	Remote
	once      sync.Once
	transport *http.Transport
	err       error
}

// RoundTrip makes a call. The token goes to its server over TLS and nowhere else.
func (r *remote) RoundTrip(request *http.Request) (*http.Response, error) {
	r.once.Do(func() { r.transport, r.err = r.newTransport() })
	if r.err != nil {
		return nil, r.err
	}
	if to := request.URL.Scheme + "://" + request.URL.Host; !strings.EqualFold(to, strings.TrimRight(r.Server, "/")) {
		return nil, setupf("a call to %.100q is not one to %s", to, r.Server)
	}
	token, err := r.token()
	if err != nil {
		return nil, err
	}
	request = request.Clone(request.Context())
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return r.transport.RoundTrip(request)
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (r *remote) CloseIdleConnections() {
	r.once.Do(func() { r.transport, r.err = r.newTransport() })
	if r.transport != nil {
		r.transport.CloseIdleConnections()
	}
}

func (r *remote) newTransport() (*http.Transport, error) {
	if u, err := url.Parse(r.Server); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" {
		return nil, setupf("server %.100q is not https://host:port", r.Server)
	}
	transport := newTransport()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if r.CAFile == "" {
		return transport, nil
	}
	ca, err := os.ReadFile(r.CAFile)
	if err != nil {
		return nil, setupf("read the CA: %w", err)
	}
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(ca) {
		return nil, setupf("CA file %s holds no certificate in PEM", r.CAFile)
	}
	return transport, nil
}

// maxTokenBytes bounds what is read of a token file; no header takes more.
const maxTokenBytes = 16 << 10

func (r *remote) token() (string, error) {
	if r.TokenFile == "" {
		return "", nil
	}
	f, err := os.Open(r.TokenFile)
	if err != nil {
		return "", setupf("read the token: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTokenBytes))
	if err != nil {
		return "", setupf("read the token: %w", err)
	}
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return "", setupf("token file %s is empty", r.TokenFile)
	}
	return string(text), nil
}
