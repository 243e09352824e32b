package localapi

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// streamGrace is how long a watch may keep its caller without an answer while
// it is not yet known whether there will be one: a revision that has lapsed is
// then still 410, and a watch on which nothing happens begins all the same.
// A backend that sends an empty batch begins the answer at once.
const streamGrace = 100 * time.Millisecond

// watch streams changes, one JSON object a line, until the caller has gone, the
// server ends, or the backend returns: why is then the last line.
func (s *Server) watch(w http.ResponseWriter, r *request) error {
	req, err := r.watchRequest()
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", streamType)
		return nil
	}
	if err := s.admitWatcher(); err != nil {
		return err
	}
	defer s.watchers.Add(-1)
	s.watches.Inc()
	defer s.watches.Dec()
	if s.isDraining() {
		return errDraining()
	}
	ctx, cancel := s.whileTaking(r.Context())
	defer cancel()

	stream := newStream(w, &s.share)
	defer stream.end()
	err = s.backend.Watch(ctx, req, stream.send)
	if r.Context().Err() != nil {
		return nil // the caller has gone
	}
	return stream.close(err)
}

func (r *request) watchRequest() (req resource.WatchRequest, err error) {
	for _, name := range []string{"state", "limit", "continue"} {
		if r.query.Has(name) {
			return req, resource.Errorf(resource.InvalidArgument, "query parameter %s does not go with watch=true", name)
		}
	}
	if req.DataType, req.Cluster, req.Source, err = r.filters(); err != nil {
		return req, err
	}
	if !r.query.Has("since") {
		return req, nil
	}
	since, err := resource.ParseRevision(r.query.Get("since"))
	req.Since = &since
	return req, err
}

// mostWatchers leaves connections to other calls, whatever limits.maxWatchers
// says.
func (s *Server) mostWatchers() int64 { return int64(s.bounds.connections) * 3 / 4 }

func (s *Server) admitWatcher() error {
	most := s.mostWatchers()
	limit := int64(s.options.MaxWatchers())
	if limit <= 0 || limit > most {
		limit = most
	}
	if n := s.watchers.Add(1); n > limit {
		s.watchers.Add(-1)
		return resource.Errorf(resource.TooManyRequests, "there are %d watches already; limits.maxWatchers, which is at most %d, allows no more", limit, most)
	}
	return nil
}

const streamType = "application/x-ndjson"

// stream is the answer to a watch. It begins with the first batch, or after
// streamGrace; the timer that sees to that is stopped by end, which the handler
// calls before it returns.
type stream struct {
	mu     sync.Mutex // guards all, since the timer writes too
	timer  *time.Timer
	w      http.ResponseWriter
	share  *lineShare
	begun  bool
	ended  bool
	failed error
}

func newStream(w http.ResponseWriter, share *lineShare) *stream {
	s := &stream{w: w, share: share}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(streamGrace, func() { _ = s.send(nil) })
	return s
}

// send writes a batch and flushes it. A peer that has not taken it within
// writeTimeout is cut: the error ends the watch.
func (s *stream) send(batch []resource.WatchEvent) error {
	err := withBuffer(func(buffer []byte) ([]byte, error) {
		for i := range batch {
			if long(&batch[i]) {
				if err := errors.Join(s.write(buffer), s.share.use(&batch[i], s.write)); err != nil {
					return buffer, err
				}
				buffer = buffer[:0]
				continue
			}
			buffer = appendEvent(buffer, &batch[i])
		}
		return buffer, s.write(buffer)
	})
	return errors.Join(err, s.flush())
}

// write hands lines to the connection, and begins the answer.
func (s *stream) write(lines []byte) error {
	return s.do(func() error {
		_, err := s.w.Write(lines)
		return err
	})
}

func (s *stream) flush() error {
	return s.do(http.NewResponseController(s.w).Flush)
}

// do does something with the connection, unless that has failed before.
func (s *stream) do(something func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return context.Canceled
	}
	if s.failed == nil {
		s.begin()
		extendWriting(s.w)
		s.failed = something()
	}
	return s.failed
}

func (s *stream) begin() {
	if s.begun {
		return
	}
	s.begun = true
	s.timer.Stop()
	s.w.Header().Set("Content-Type", streamType)
	s.w.Header().Set("Cache-Control", "no-store")
	s.w.WriteHeader(http.StatusOK)
}

// close tells why the backend ended the watch: as an error of the call while
// nothing was answered, otherwise as the last line.
func (s *stream) close(err error) error {
	s.end()
	if err == nil || s.failed != nil {
		return nil
	}
	if !s.begun {
		return err
	}
	line := append([]byte(`{"type":"ERROR","error":`), newProblem(asError(err)).encode()...)
	extendWriting(s.w)
	_, _ = s.w.Write(append(line, '}', '\n'))
	return nil
}

// end stops the timer; after it nothing but close writes.
func (s *stream) end() {
	s.timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}
