package localapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// kubernetesRoute is what requests for the Kubernetes API are counted as.
var kubernetesRoute = Route{Pattern: "kubernetes"}

// ofKubernetes tells whether a path is one of the Kubernetes API (docs/works.md).
func ofKubernetes(path string) bool {
	switch path {
	case "/api", "/apis", "/version", "/version/", "/openapi/v2", "/openapi/v3":
		return true
	}
	return strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/apis/") || strings.HasPrefix(path, "/openapi/v3/")
}

// kubernetes hands a request to the Kubernetes API, which has its own errors and
// bounds. Watches end with the server, and count as those of this API do.
func (s *Server) kubernetes(w http.ResponseWriter, r *http.Request) error {
	if s.options.Kubernetes == nil {
		return resource.Errorf(resource.NotFound, "there is no Kubernetes API here: set work.enabled, and use a build that is not lite")
	}
	ctx, cancel := untilEnd(r.Context())
	defer cancel()
	if isWatch(r) {
		if err := s.admitWatcher(); err != nil {
			return err
		}
		defer s.watchers.Add(-1)
		s.watches.Inc()
		defer s.watches.Dec()
	}
	extendWriting(w)
	s.options.Kubernetes.ServeHTTP(&renewing{ResponseWriter: w, ctx: ctx}, r.WithContext(ctx))
	return nil
}

// isWatch tells what the Kubernetes libraries take for a watch: any value of the
// parameter but false and 0 (Python's clients write True), and the old paths
// /apis/GROUP/VERSION/watch/.
func isWatch(r *http.Request) bool {
	if parts := strings.Split(r.URL.Path, "/"); len(parts) > 4 && parts[4] == "watch" {
		return true
	}
	values := r.URL.Query()["watch"]
	return len(values) > 0 && values[0] != "0" && !strings.EqualFold(values[0], "false")
}

// renewing gives each write of an answer its time: the Kubernetes API streams.
type renewing struct {
	http.ResponseWriter
	ctx     context.Context
	renewed time.Time
}

// Write renews the deadline first.
func (w *renewing) Write(p []byte) (int, error) {
	w.renew()
	return w.ResponseWriter.Write(p)
}

// renew costs as much as a small write, so once a second is often enough.
func (w *renewing) renew() {
	if now := time.Now(); now.Sub(w.renewed) > time.Second {
		w.renewed = now
		extendWriting(w.ResponseWriter)
	}
}

// Flush sends what is buffered.
func (w *renewing) Flush() {
	w.renew()
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// CloseNotify is what the Kubernetes libraries want of a writer that streams.
func (w *renewing) CloseNotify() <-chan bool {
	gone := make(chan bool, 1)
	context.AfterFunc(w.ctx, func() { gone <- true })
	return gone
}

// Unwrap lets http.ResponseController reach the connection.
func (w *renewing) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// While is handler as long as enabled says so, and not found else.
func While(enabled func() bool, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !enabled() {
			writeProblem(w, resource.Errorf(resource.NotFound, "there is no Kubernetes API here: set work.enabled"))
			return
		}
		handler.ServeHTTP(w, r)
	})
}
