// Package client is the typed client of the local API (docs/api.md): what the
// sidecar's own command line and its tests use, and any Go app may.
//
// A [Client] is safe for concurrent use and keeps connections open between
// calls. A call ends with its context; a client has no time limits of its own.
// Errors of the API are *resource.Error, with the code, the sentence and, after
// a wait that was too short, the resource. A sidecar that cannot be reached is
// one too, with the code resource.Unavailable: it may appear later, and the
// call may then be repeated as it is. No call is repeated here, except by
// [Client.Follow].
package client

import (
	"context"
	"net"
	"net/http"
	"time"
)

// The limits of connections. They are given up before the server would, so
// that no call meets a connection that is just being closed.
const (
	idleTimeout = 90 * time.Second
	idleKept    = 100
)

// Client calls one sidecar.
type Client struct {
	base  string // of every URL
	where string // the sidecar, for errors
	http  *http.Client
}

// New makes a client of the sidecar that listens on the socket; it does not
// connect before the first call.
func New(socketPath string) *Client {
	transport := newTransport()
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socketPath)
	}
	return newClient("http://sidecar", "socket "+socketPath, transport)
}

func newTransport() *http.Transport {
	return &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: idleKept, IdleConnTimeout: idleTimeout}
}

func newClient(base, where string, transport http.RoundTripper) *Client {
	return &Client{base: base, where: where, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close closes the connections that no call uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }
