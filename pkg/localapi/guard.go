package localapi

import (
	"net/http"
	"strings"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Guarded is a Server of the same calls for a listener that everybody on the
// machine, or on the network, can reach: each request must have a bearer token
// that allow accepts (RFC 6750), whatever it asks for. Who has none is told so
// only so often, and his connection ends. The calls that are for the socket only
// are forbidden.
func (s *Server) Guarded(allow func(token string) bool) *Server {
	guarded := s.derive()
	guarded.bounds = guardedBounds
	guarded.remote = true
	g := &guard{allow: allow, refusals: newThrottle()}
	guarded.admit = g.admit
	guarded.routes = guarded.table()
	return guarded
}

type guard struct {
	allow    func(token string) bool
	refusals *throttle
}

// admit lets the right token in, always: nobody can lock its owner out by
// guessing. What is throttled is the refusing.
func (g *guard) admit(w http.ResponseWriter, r *http.Request) error {
	token, given := bearer(r.Header)
	if given && g.allow(token) {
		return nil
	}
	w.Header().Set("Connection", "close") // a place is for who has a token
	if wait := g.refusals.take(r.RemoteAddr); wait > 0 {
		e := resource.Errorf(resource.TooManyRequests, "too many calls without the right token; it is in the file that api.tokenFile names, or in \"token\" of state.dir")
		e.RetryAfter = wait
		return e
	}
	challenge := `Bearer realm="sidecar"`
	if given {
		challenge += `, error="invalid_token"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	if given {
		return resource.Errorf(resource.Unauthenticated, "this is not the token of this sidecar: it is in the file that api.tokenFile names, or in \"token\" of state.dir")
	}
	return resource.Errorf(resource.Unauthenticated, "this listener takes calls with a token only: send the header Authorization: Bearer TOKEN")
}

// bearer is the token of a request, and whether there is one.
func bearer(header http.Header) (token string, given bool) {
	scheme, token, _ := strings.Cut(header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}
