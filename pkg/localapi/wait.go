package localapi

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// The bounds of ?wait= (docs/api.md, "Local API").
const (
	defaultWait = 30 * time.Second
	maxWait     = 10 * time.Minute
	lastLook    = 100 * time.Millisecond
)

// waiting is what a write was asked to wait for; the zero value is nothing.
type waiting struct {
	state   resource.WaitFor
	timeout time.Duration
}

// waiting reads ?wait= and ?timeout=; states are those that the call can reach.
func (r *request) waiting(states ...resource.WaitFor) (waiting, error) {
	state := resource.WaitFor(r.query.Get("wait"))
	timeout, err := r.duration("timeout", defaultWait, maxWait)
	switch {
	case err != nil:
		return waiting{}, err
	case state == "" && r.query.Has("timeout"):
		return waiting{}, resource.Errorf(resource.InvalidArgument, "query parameter timeout goes with wait only: say what to wait for")
	case state != "" && !slices.Contains(states, state):
		return waiting{}, resource.Errorf(resource.InvalidArgument, "query parameter wait=%.40q must be %s here", string(state), oneOf(states))
	}
	return waiting{state: state, timeout: timeout}, nil
}

func oneOf(states []resource.WaitFor) string {
	names := make([]string, len(states))
	for i, state := range states {
		names[i] = string(state)
	}
	return strings.Join(names, " or ")
}

// await returns the resource once it has reached the state.
func (s *Server) await(r *request, wait waiting, res *resource.Resource) (*resource.Resource, error) {
	reached, err := s.awaitGone(r, wait, res)
	if err == nil && reached == nil {
		err = resource.Errorf(resource.Conflict, "the write was stored, but the resource was deleted while the call waited")
	}
	return reached, err
}

// awaitGone is await for deletions: it returns nil once the resource is gone.
func (s *Server) awaitGone(r *request, wait waiting, res *resource.Resource) (*resource.Resource, error) {
	if wait.state == "" || res == nil {
		return res, nil
	}
	ctx, cancel := untilEnd(r.Context())
	defer cancel()
	timed, cancelTimed := context.WithTimeout(ctx, wait.timeout)
	defer cancelTimed()
	reached, err := s.backend.Await(timed, res.Key, res.Version, wait.state)
	if err != nil && ctx.Err() != nil {
		reached, err = s.awaitLast(r.Context(), wait, res)
	}
	if err == nil {
		return reached, nil
	}
	return nil, notReached(err, ctx.Err() != nil, wait, res)
}

// awaitLast looks once more when the server ends: what was published last may
// have come with the end.
func (s *Server) awaitLast(ctx context.Context, wait waiting, res *resource.Resource) (*resource.Resource, error) {
	ctx, cancel := context.WithTimeout(ctx, lastLook)
	defer cancel()
	return s.backend.Await(ctx, res.Key, res.Version, wait.state)
}

// notReached says why the wait ended. The write stays, and what is known of
// the resource is told with the error.
func notReached(err error, ending bool, wait waiting, res *resource.Resource) error {
	isDeadline := resource.CodeOf(err) == resource.DeadlineExceeded || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	if !isDeadline {
		return err
	}
	told := resource.Errorf(resource.DeadlineExceeded, "stored, but not %s within %s; the call may be repeated as it is", wait.state, wait.timeout)
	if ending {
		told = resource.Errorf(resource.Unavailable, "stored, but not yet %s: the sidecar is ending; repeat the call when it is back", wait.state)
	}
	told.Cause, told.Resource = err, res
	if newer := asError(err).Resource; newer != nil {
		told.Resource = newer
	}
	return told
}
