package localapi

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// The bounds of connections (docs/api.md, "Local API").
const (
	headerTimeout = 5 * time.Second // from a request's first byte to its last header
	idleTimeout   = 2 * time.Minute // between requests; clients should give up earlier
	headerBytes   = 16 << 10
	endTimeout    = 5 * time.Second // for calls under way when the server ends
)

// Serve answers the connections of l, which it closes, until ctx ends; it then
// tells watches that it ends, answers long polls with nothing, lets other calls finish for up
// to 5 s, and cuts what is left. It returns when no call is under way any more:
// nil after ctx, otherwise why the listener failed.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
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
	err := server.Serve(limit(l, maxConnections))
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
		IdleTimeout:       idleTimeout,
		WriteTimeout:      writeTimeout, // each answer renews it; this is for what net/http writes itself
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
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
	end  context.Context // ends when the server does
}

type connKey struct{}

func newConnection(end context.Context, c net.Conn) *connection {
	return &connection{peer: peerOf(plain(c)), end: end}
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
