package localapi

import (
	"net/http"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// lease is a long poll: it answers when there is work, when the wait is over,
// or, with no items, when the sidecar begins to end. If its caller has gone, the items go
// back to the queue at once.
func (s *Server) lease(w http.ResponseWriter, r *request) error {
	body, err := s.controlBody(w, r)
	if err != nil {
		return err
	}
	req, err := decodeLease(body, r.PathValue("queue"))
	if err != nil {
		return err
	}
	if s.isDraining() {
		return errDraining()
	}
	ctx, cancel := s.whileTaking(r.Context())
	defer cancel()
	items, err := s.backend.Lease(ctx, req)
	if err != nil && ctx.Err() == nil {
		return err
	}
	if gone := r.Context().Err(); gone != nil {
		s.giveBack(items)
		return gone
	}
	if err := writeLeases(w, items); err != nil {
		s.giveBack(items)
	}
	return nil
}

func (s *Server) giveBack(items []resource.LeaseItem) {
	if len(items) == 0 {
		return
	}
	leases := make([]string, len(items))
	for i := range items {
		leases[i] = items[i].Lease
	}
	s.backend.Return(leases)
}

// writeLeases flushes the answer, because only then it is known whether it
// could be written.
func writeLeases(w http.ResponseWriter, items []resource.LeaseItem) error {
	return withBuffer(func(buffer []byte) ([]byte, error) {
		buffer = appendLeases(buffer, items)
		if err := write(w, http.StatusOK, resource.JSONContentType, buffer); err != nil {
			return buffer, err
		}
		return buffer, http.NewResponseController(w).Flush()
	})
}

func (s *Server) answerLease(w http.ResponseWriter, r *request) error {
	if err := checkJSONType(r.Header); err != nil {
		return err
	}
	body, err := s.readBody(w, r, s.MaxResultBytes())
	if err != nil {
		return err
	}
	result, err := s.result(body)
	if err != nil {
		return err
	}
	if err := s.backend.Answer(r.Context(), r.PathValue("lease"), result); err != nil {
		return err
	}
	return writeEmpty(w)
}
