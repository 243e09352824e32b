package localapi

import (
	"net/http"
	"slices"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// peer is who has connected.
type peer struct {
	uid   uint32
	known bool // not over TCP
}

// admitPeer refuses peers that are not among the allowed uids (docs/api.md,
// "Configuration"). The list is read for each request, so that a changed one
// holds for connections that are open.
func (s *Server) admitPeer(_ http.ResponseWriter, r *http.Request) error {
	allowed := s.options.AllowedUIDs()
	if len(allowed) == 0 {
		return nil
	}
	c := connectionOf(r.Context())
	if c == nil || !c.peer.known {
		return resource.Errorf(resource.Forbidden, "api.allowedUIDs is set, and the uid of this connection's peer is not known")
	}
	if !slices.Contains(allowed, c.peer.uid) {
		return resource.Errorf(resource.Forbidden, "uid %d is not among api.allowedUIDs", c.peer.uid)
	}
	return nil
}
