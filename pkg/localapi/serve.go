package localapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// The bounds of connections (docs/api.md, "Local API").
const (
	headerTimeout = 5 * time.Second // from a request's first byte to its last header; also of a TLS handshake
	headerBytes   = 16 << 10
	endTimeout    = 5 * time.Second // for calls under way when the server ends
)

// bounds are those that differ by listener, so that what everybody can reach
// takes nothing from the socket.
type bounds struct {
	connections int           // served at a time
	refused     int           // besides, told that there are too many; further ones wait
	idle        time.Duration // between requests; clients should give up earlier
}

var (
	socketBounds  = bounds{connections: 2048, refused: 64, idle: 2 * time.Minute}
	guardedBounds = bounds{connections: 1024, refused: 64, idle: 2 * time.Minute}
	probeBounds   = bounds{connections: 64, refused: 16, idle: 30 * time.Second}
)

// Serve answers the connections of l, which it closes, until ctx ends; it then
// tells watches that it ends, answers long polls with nothing, lets other calls finish for up
// to 5 s, and cuts what is left. It returns when no call is under way any more:
// nil after ctx, otherwise why the listener failed.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return s.serve(ctx, limit(l, s.bounds))
}

// ServeTLS is Serve for connections with TLS.
func (s *Server) ServeTLS(ctx context.Context, l net.Listener, config *tls.Config) error {
	return s.serve(ctx, tls.NewListener(limit(l, s.bounds), config))
}

func (s *Server) serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var open sync.WaitGroup
	server := s.httpServer(ctx, &open)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		end(server)
	}()
	err := server.Serve(l)
	cancel()
	<-ended
	open.Wait() // connections are counted before Serve returns, so none is added now
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (s *Server) httpServer(ctx context.Context, open *sync.WaitGroup) *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       s.bounds.idle,
		WriteTimeout:      writeTimeout, // each answer renews it; this is for what net/http writes itself
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          log.New(&complaints{log: s.log, some: rate.Sometimes{Interval: 10 * time.Second}}, "", 0),
		ConnContext: func(base context.Context, c net.Conn) context.Context {
			return context.WithValue(base, connKey{}, newConnection(ctx, c))
		},
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed, http.StateHijacked:
				open.Done()
			}
		},
		DisableGeneralOptionsHandler: true, // nothing is answered before it is known who asks
	}
}

func end(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		_ = server.Close()
	}
}

// connection is what is known of the connection that a request came by.
type connection struct {
	peer peer
	over bool            // there is no place for it
	end  context.Context // ends when the server does
}

type connKey struct{}

func newConnection(end context.Context, c net.Conn) *connection {
	inner, over := plain(c)
	return &connection{peer: peerOf(inner), over: over, end: end}
}

// connectionOf is nil for requests that did not come through Serve.
func connectionOf(ctx context.Context) *connection {
	c, _ := ctx.Value(connKey{}).(*connection)
	return c
}

// untilEnd is a request's context that ends with the server too: for calls that
// wait for something which may never happen.
func untilEnd(ctx context.Context) (context.Context, context.CancelFunc) {
	waiting, cancel := context.WithCancel(ctx)
	c := connectionOf(ctx)
	if c == nil {
		return waiting, cancel
	}
	stop := context.AfterFunc(c.end, cancel)
	return waiting, func() { stop(); cancel() }
}

// complaints are what net/http has to say about connections, of which anybody
// who connects can make as many as he likes: one in ten seconds is logged.
type complaints struct {
	log  *slog.Logger
	some rate.Sometimes
}

// Write logs a line.
func (c *complaints) Write(line []byte) (int, error) {
	c.some.Do(func() { c.log.Warn("local API connection failed", "error", string(bytes.TrimSpace(line))) })
	return len(line), nil
}
