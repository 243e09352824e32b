package localapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// livez is about the process only: that it answers is the answer.
func (s *Server) livez(w http.ResponseWriter, r *request) error {
	return writeChecks(w, r, "livez", []resource.Check{{Name: "ping"}})
}

func (s *Server) readyz(w http.ResponseWriter, r *request) error {
	return writeChecks(w, r, "readyz", s.readiness())
}

func (s *Server) readyzOne(w http.ResponseWriter, r *request) error {
	name := r.PathValue("check")
	checks := s.readiness()
	i := slices.IndexFunc(checks, func(c resource.Check) bool { return c.Name == name })
	if i < 0 {
		return resource.Errorf(resource.NotFound, "there is no check %.100q; GET /readyz?verbose lists them", name)
	}
	return writeChecks(w, r, name, checks[i:i+1])
}

// writeChecks answers as Kubernetes' own health endpoints do, in text: "ok",
// or a line for each check when one fails or ?verbose asks for it.
func writeChecks(w http.ResponseWriter, r *request, name string, checks []resource.Check) error {
	verbose, err := r.flag("verbose")
	if err != nil {
		return err
	}
	lines, ready := renderChecks(checks, r.excluded())
	status, text := http.StatusOK, "ok"
	switch {
	case !ready:
		status, text = http.StatusServiceUnavailable, lines+name+" check failed\n"
		w.Header().Set("Retry-After", retryAfter(0))
	case verbose:
		text = lines + name + " check passed\n"
	}
	w.Header().Set("Cache-Control", "no-store")
	_ = write(w, status, "text/plain; charset=utf-8", []byte(text))
	return nil
}

// excluded is the names of ?exclude=, which repeats and takes commas.
func (r *request) excluded() []string {
	return strings.FieldsFunc(strings.Join(r.query["exclude"], ","), func(c rune) bool { return c == ',' })
}

func renderChecks(checks []resource.Check, excluded []string) (lines string, ready bool) {
	var b strings.Builder
	ready = true
	unknown := slices.Clone(excluded)
	for _, check := range checks {
		unknown = slices.DeleteFunc(unknown, func(name string) bool { return name == check.Name })
		switch {
		case slices.Contains(excluded, check.Name):
			fmt.Fprintf(&b, "[+]%s excluded: ok\n", check.Name)
		case check.Err == nil:
			fmt.Fprintf(&b, "[+]%s ok\n", check.Name)
		default:
			ready = false
			fmt.Fprintf(&b, "[-]%s failed: %s\n", check.Name, oneLine(check.Err.Error()))
		}
	}
	for _, name := range unknown {
		fmt.Fprintf(&b, "warn: there is no check %q to exclude\n", name)
	}
	return b.String(), ready
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
