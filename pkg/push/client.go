package push

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	dialTimeout    = 5 * time.Second
	maxHeaderBytes = 64 << 10
	userAgent      = "pillion-sidecar"

	// idleTime is short of what servers keep idle connections for (Gunicorn 2
	// s, Node and uvicorn 5 s), so that no request meets one that is closing.
	idleTime = time.Second
)

// newClient makes an HTTP/1.1 client for one target. It follows no redirect:
// headers are meant for the target alone. Proxies of the environment are not
// used: apps are near.
func newClient(t Target, connections int) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer(t),
			TLSHandshakeTimeout:    dialTimeout,
			MaxIdleConnsPerHost:    connections,
			IdleConnTimeout:        idleTime,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHeaderBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dialer connects to the target's socket, or to the address that it is given.
func dialer(t Target) func(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if t.Socket != "" {
			network, addr = "unix", t.Socket
		}
		return d.DialContext(ctx, network, addr)
	}
}

// maxUnreadBytes is how much of an answer that is of no interest is read.
const maxUnreadBytes = 64 << 10

// finish reads what is left of an answer: a server that is cut off while it
// writes takes that for an error, and the connection can be used again.
func finish(response *http.Response) {
	_, _ = io.CopyN(io.Discard, response.Body, maxUnreadBytes)
	_ = response.Body.Close()
}

// withoutURL is the error without the URL that net/http puts before it: its
// query may hold a secret.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// statusText is "503 Service Unavailable".
func statusText(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}
