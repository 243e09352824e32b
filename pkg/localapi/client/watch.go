package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// WatchRestarted is the type of an event that Follow makes up when it has to
// start again: what follows up to SYNCED is all that there is, so that what is
// not in it is gone.
const WatchRestarted = "RESTARTED"

// line is one line of a watch.
type line struct {
	resource.WatchEvent
	Error json.RawMessage `json:"error"`
}

// Watch is the changes that the request selects, in the order of their
// revisions. It ends after an error: the sidecar's own (resource.Expired when
// req.Since is too old), io.ErrUnexpectedEOF when the connection broke, or that
// of ctx.
func (c *Client) Watch(ctx context.Context, req resource.WatchRequest) iter.Seq2[resource.WatchEvent, error] {
	return func(yield func(resource.WatchEvent, error) bool) {
		response, err := c.send(ctx, call{method: http.MethodGet, path: "/v1/resources", query: watchQuery(req)})
		if err != nil {
			yield(resource.WatchEvent{}, err)
			return
		}
		defer response.Body.Close()
		lines := json.NewDecoder(response.Body)
		for {
			event, err := c.next(ctx, lines)
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

func watchQuery(req resource.WatchRequest) url.Values {
	query := url.Values{"watch": {"true"}}
	set(query, "dataType", string(req.DataType))
	set(query, "cluster", req.Cluster)
	set(query, "source", req.Source)
	if req.Since != nil {
		query.Set("since", req.Since.String())
	}
	return query
}

// next is the next event of a watch, which never ends well: what is not an
// event is an error.
func (c *Client) next(ctx context.Context, lines *json.Decoder) (resource.WatchEvent, error) {
	var l line
	switch err := lines.Decode(&l); {
	case errors.Is(err, io.EOF):
		return resource.WatchEvent{}, c.unreachable(ctx, io.ErrUnexpectedEOF)
	case err != nil:
		return resource.WatchEvent{}, c.unreachable(ctx, err)
	case l.Type != resource.WatchError:
		return l.WatchEvent, nil
	}
	if e := decodeProblem(l.Error); e != nil {
		return resource.WatchEvent{}, e
	}
	return resource.WatchEvent{}, resource.Errorf(resource.Internal, "the watch ended with an error that cannot be read")
}

// The waits of Follow between two tries.
const (
	followFirst = 50 * time.Millisecond
	followMost  = time.Second
)

// Follow is Watch for as long as ctx lasts: after a connection that broke, or a
// sidecar that is away or busy, it goes on from the last revision seen, and
// when that has lapsed it starts again with an event of type WatchRestarted.
// It ends with the error of ctx, or with one that trying again does not mend.
func (c *Client) Follow(ctx context.Context, req resource.WatchRequest) iter.Seq2[resource.WatchEvent, error] {
	return func(yield func(resource.WatchEvent, error) bool) {
		f := follower{client: c, req: req, yield: yield, wait: followFirst}
		for f.once(ctx) {
			f.pause(ctx)
		}
	}
}

type follower struct {
	client *Client
	req    resource.WatchRequest
	yield  func(resource.WatchEvent, error) bool
	wait   time.Duration
	seen   bool // events of the present listing were yielded
}

// once follows one connection; false ends it all.
func (f *follower) once(ctx context.Context) bool {
	if f.req.Since == nil && f.seen { // the listing was cut: it begins anew
		if !f.restart() {
			return false
		}
	}
	for event, err := range f.client.Watch(ctx, f.req) {
		if err != nil {
			return f.mend(ctx, err)
		}
		f.note(event)
		if !f.yield(event, nil) {
			return false
		}
	}
	return true
}

// note remembers where to go on from. The resources before SYNCED are in no
// order of revisions, so that until then there is nowhere.
func (f *follower) note(event resource.WatchEvent) {
	f.wait, f.seen = followFirst, true
	switch {
	case event.Type == resource.WatchSynced || event.Type == resource.WatchBookmark:
		f.req.Since = &event.Revision
	case f.req.Since != nil && event.Resource != nil:
		f.req.Since = &event.Resource.Revision
	}
}

// mend tells whether to try again after the error.
func (f *follower) mend(ctx context.Context, err error) bool {
	var e *resource.Error
	if ctx.Err() != nil || !errors.As(err, &e) {
		f.yield(resource.WatchEvent{}, err)
		return false
	}
	switch e.Code {
	case resource.Expired:
		f.req.Since = nil
		f.seen = true
		return true
	case resource.Unavailable, resource.TooManyRequests, resource.Timeout:
		f.wait = max(f.wait, e.RetryAfter)
		return true
	}
	f.yield(resource.WatchEvent{}, err)
	return false
}

func (f *follower) restart() bool {
	f.seen = false
	return f.yield(resource.WatchEvent{Type: WatchRestarted}, nil)
}

// pause waits between half of the present wait and all of it, and doubles it.
func (f *follower) pause(ctx context.Context) {
	select {
	case <-time.After(f.wait/2 + rand.N(f.wait/2)):
	case <-ctx.Done():
	}
	f.wait = min(2*f.wait, followMost)
}
