package localapi

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// shared is what a Server has in common with those derived from it.
type shared struct {
	watchers atomic.Int64
	share    lineShare  // of watches
	backups  sync.Mutex // one at a time

	taking context.Context // ends when the sidecar hands out no more work
	drain  context.CancelFunc
}

func newShared() *shared {
	s := &shared{}
	s.taking, s.drain = context.WithCancel(context.Background())
	return s
}

// Drain begins the end of the sidecar, while the connection to the broker is
// being emptied: watches end, long polls are answered with nothing, no more work
// is handed out, and readyz fails. All other calls go on until Serve's ctx ends:
// what the app still has to say is taken. It holds for the derived Servers too.
func (s *Server) Drain() { s.drain() }

func (s *Server) isDraining() bool { return s.taking.Err() != nil }

// whileTaking is a request's context that ends with Drain and with the server:
// for calls that wait for work or news.
func (s *Server) whileTaking(ctx context.Context) (context.Context, context.CancelFunc) {
	waiting, cancel := untilEnd(ctx)
	stop := context.AfterFunc(s.taking, cancel)
	return waiting, func() { stop(); cancel() }
}

func errDraining() error {
	return resource.Errorf(resource.Unavailable, "the sidecar is ending and hands out no more work; repeat the call when it is back")
}

// readiness is what the backend says, and that the sidecar is not ending.
func (s *Server) readiness() []resource.Check {
	checks := s.backend.Ready()
	if s.isDraining() {
		checks = append(checks, resource.Check{Name: "shutdown", Err: errors.New("the sidecar is ending")})
	}
	return checks
}
