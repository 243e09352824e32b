package workapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// Engine writes works; pkg/proxy does.
type Engine interface {
	// ChangeWork commits a change and returns the record as it is then, nil if
	// it is gone. It is resource.Conflict if the work has changed since.
	ChangeWork(context.Context, manifestwork.Change) (*store.Record, error)
	// NameWorks stores the names by which works that cannot have that of their
	// metadata are known here, for as long as they live. Nobody is told.
	NameWorks(ctx context.Context, names map[resource.Key]string) error
	// SyncState is how far a resource has travelled.
	SyncState(*store.Meta) resource.SyncState
}

// Options is what a Server is made of.
type Options struct {
	Role             resource.Role
	ID               string // of the source
	Version          string // of the sidecar, for the OpenAPI documents
	Store            *store.Store
	Engine           Engine
	MaxBytes         func() int64 // work.maxBytes; nil = manifestwork.DefaultMaxBytes
	MaxResourceBytes func() int64 // limits.maxResourceBytes; 0 or nil = no limit of ours
	Began            func()       // called once, when the API is there; nil = nothing
	Log              *slog.Logger // nil = discard
}

// Server is the Kubernetes API for works as an http.Handler. It costs nothing
// until the first request; what that needs is made then, by Run.
type Server struct {
	options Options
	wanted  chan struct{} // closed by the first request
	once    sync.Once
	ended   chan struct{} // closed when Run has returned

	state *started
}

// started is what the first request waits for.
type started struct {
	ready chan struct{} // closed when api or err is set
	api   *api
	err   error
}

// New makes a Server; Run must be called for it to answer.
func New(o Options) *Server {
	if o.MaxBytes == nil {
		o.MaxBytes = func() int64 { return manifestwork.DefaultMaxBytes }
	}
	if o.MaxResourceBytes == nil {
		o.MaxResourceBytes = func() int64 { return 0 }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{options: o, wanted: make(chan struct{}), ended: make(chan struct{}), state: &started{ready: make(chan struct{})}}
}

// Run waits for the first request, and then serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	defer close(s.ended)
	select {
	case <-ctx.Done():
		return nil
	case <-s.wanted:
	}
	quietly(s.options.Log)
	a, err := newAPI(&s.options)
	if err != nil {
		s.state.fail(err)
		return err
	}
	s.state.api = a
	err = a.run(ctx, func() {
		close(s.state.ready)
		if s.options.Began != nil {
			s.options.Began()
		}
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (st *started) fail(err error) {
	st.err = err
	close(st.ready)
}

// ServeHTTP answers one request; the first waits until the API is made.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.once.Do(func() { close(s.wanted) })
	select {
	case <-s.state.ready:
	case <-s.ended:
		unavailable(w, "the sidecar is shutting down")
		return
	case <-r.Context().Done():
		return
	}
	if s.state.err != nil {
		unavailable(w, "the Kubernetes API could not be made; the sidecar's log says why")
		return
	}
	r.Header.Del("Accept-Encoding") // nothing is gained by compressing between two processes of a host
	s.state.api.handler.ServeHTTP(w, wantRaw(r))
}

// unavailable answers as a Kubernetes API server would.
func unavailable(w http.ResponseWriter, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"` + message +
		`","reason":"ServiceUnavailable","code":503}` + "\n"))
}
