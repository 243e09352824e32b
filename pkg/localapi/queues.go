package localapi

import (
	"context"
	"net/http"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// page is a list of anything but resources.
type page[T any] struct {
	Items []T `json:"items"`
}

func pageOf[T any](items []T) page[T] {
	if items == nil {
		items = []T{}
	}
	return page[T]{Items: items}
}

func (s *Server) listQueues(w http.ResponseWriter, _ *request) error {
	return writeValue(w, pageOf(s.backend.Queues()))
}

func (s *Server) getQueue(w http.ResponseWriter, r *request) error {
	stats, err := s.backend.Queue(r.PathValue("queue"))
	if err != nil {
		return err
	}
	return writeValue(w, stats)
}

func (s *Server) listDead(w http.ResponseWriter, r *request) error {
	dead, err := s.backend.Dead(r.PathValue("queue"))
	if err != nil {
		return err
	}
	return writeValue(w, pageOf(dead))
}

func (s *Server) requeue(w http.ResponseWriter, r *request) error {
	return s.requeueBy(w, r, s.backend.Requeue, "requeued", false)
}

// retryDead takes an empty body too: all dead keys of the queue.
func (s *Server) retryDead(w http.ResponseWriter, r *request) error {
	return s.requeueBy(w, r, s.backend.RetryDead, "retried", true)
}

// dropDead takes what retryDead takes.
func (s *Server) dropDead(w http.ResponseWriter, r *request) error {
	return s.requeueBy(w, r, s.backend.DropDead, "dropped", true)
}

func (s *Server) requeueBy(w http.ResponseWriter, r *request, do func(context.Context, resource.RequeueRequest) (int, error), count string, emptyIsAll bool) error {
	body, err := s.controlBody(w, r)
	if err != nil {
		return err
	}
	req, err := decodeRequeue(body, r.PathValue("queue"), emptyIsAll)
	if err != nil {
		return err
	}
	n, err := do(r.Context(), req)
	if err != nil {
		return err
	}
	return writeValue(w, map[string]int{count: n})
}
