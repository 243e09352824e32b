package localapi

import (
	"net/http"

	"github.com/pillion-dev/pillion/pkg/resource"
)

func (s *Server) resync(w http.ResponseWriter, r *request) error {
	body, err := s.controlBody(w, r)
	if err != nil {
		return err
	}
	req, err := decodeResync(body)
	if err != nil {
		return err
	}
	if err := s.backend.Resync(r.Context(), req); err != nil {
		return err
	}
	return writeEmpty(w)
}

func (s *Server) synced(w http.ResponseWriter, r *request) error {
	body, err := s.controlBody(w, r)
	if err != nil {
		return err
	}
	scope, err := decodeScope(body)
	if err != nil {
		return err
	}
	if err := s.backend.Synced(r.Context(), scope); err != nil {
		return err
	}
	return writeEmpty(w)
}

func (s *Server) status(w http.ResponseWriter, _ *request) error {
	status := s.backend.Status()
	if status.Resync.HeldDeletes == nil {
		status.Resync.HeldDeletes = []resource.HeldDelete{}
	}
	if status.Store.Synced == nil {
		status.Store.Synced = []resource.Scope{}
	}
	return writeValue(w, status)
}

// shutdown answers before the end begins, so that the answer is not cut by it.
func (s *Server) shutdown(w http.ResponseWriter, r *request) error {
	body, err := s.controlBody(w, r)
	if err != nil {
		return err
	}
	if err := decodeNothing(body); err != nil {
		return err
	}
	err = writeEmpty(w)
	_ = http.NewResponseController(w).Flush()
	s.backend.Shutdown()
	return err
}
