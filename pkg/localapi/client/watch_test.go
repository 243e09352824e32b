package client_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// reader pulls events one by one.
type reader struct {
	t    *testing.T
	pull func() (resource.WatchEvent, error, bool)
}

func read(t *testing.T, events iter.Seq2[resource.WatchEvent, error]) *reader {
	pull, stop := iter.Pull2(events)
	t.Cleanup(stop)
	return &reader{t: t, pull: pull}
}

func (r *reader) want(kind string) resource.WatchEvent {
	r.t.Helper()
	event, err, ok := r.pull()
	if err != nil || !ok || event.Type != kind {
		r.t.Fatalf("got %+v, %v, %v; want %s", event, err, ok, kind)
	}
	return event
}

func (r *reader) wantError() error {
	r.t.Helper()
	event, err, ok := r.pull()
	if err == nil || !ok {
		r.t.Fatalf("got %+v, %v; want an error", event, ok)
	}
	if _, _, ok := r.pull(); ok {
		r.t.Error("there is something after the error")
	}
	return err
}

func put(t *testing.T, c *client.Client, text string) *resource.Resource {
	t.Helper()
	res, _, err := c.Put(t.Context(), resource.PutRequest{Key: key, Spec: spec(text)})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestWatch(t *testing.T) {
	backend, c := start(t, resource.Source)
	first := put(t, c, "1")
	events := read(t, c.Watch(t.Context(), resource.WatchRequest{DataType: devices, Cluster: "cluster1", Source: apitest.Name}))
	events.want(resource.WatchAdded)
	if synced := events.want(resource.WatchSynced); synced.Revision != first.Revision {
		t.Errorf("revision %s, want %s", synced.Revision, first.Revision)
	}
	second := put(t, c, "2")
	if event := events.want(resource.WatchModified); event.Resource.Revision != second.Revision {
		t.Errorf("event %+v", event)
	}
	read(t, c.Watch(t.Context(), resource.WatchRequest{Since: &first.Revision})).want(resource.WatchModified)

	backend.Lapse()
	backend.Bookmark()
	wantCode(t, events.wantError(), resource.Expired)
	wantCode(t, read(t, c.Watch(t.Context(), resource.WatchRequest{Since: &first.Revision})).wantError(), resource.Expired)
}

func TestAWatchEndsWithItsContext(t *testing.T) {
	_, c := start(t, resource.Source)
	ctx, cancel := context.WithCancel(t.Context())
	events := read(t, c.Watch(ctx, resource.WatchRequest{}))
	events.want(resource.WatchSynced)
	cancel()
	if err := events.wantError(); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestAWatchThatBreaksSaysSo(t *testing.T) {
	socket := apitest.Socket(t)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"type":"SYNCED","revision":"7"}`+"\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})}
	defer server.Close()
	go func() { _ = server.Serve(listener) }()
	events := read(t, client.New(socket).Watch(t.Context(), resource.WatchRequest{}))
	events.want(resource.WatchSynced)
	if err := events.wantError(); !errors.Is(err, io.ErrUnexpectedEOF) || resource.CodeOf(err) != resource.Unavailable {
		t.Errorf("error %v", err)
	}
}

func TestASidecarThatEndsTellsTheWatch(t *testing.T) {
	backend, socket := apitest.New(resource.Source), apitest.Socket(t)
	stop := apitest.ServeAt(t, localapi.Options{Backend: backend}, socket)
	defer stop()
	events := read(t, client.New(socket).Watch(t.Context(), resource.WatchRequest{}))
	events.want(resource.WatchSynced)
	stop()
	if err := events.wantError(); resource.CodeOf(err) != resource.Unavailable || !strings.Contains(err.Error(), "the sidecar is ending") {
		t.Errorf("error %v", err)
	}
}

func TestFollowGoesOnAfterARestartOfTheSidecar(t *testing.T) {
	backend, socket := apitest.New(resource.Source), apitest.Socket(t)
	o := localapi.Options{Backend: backend}
	stop := apitest.ServeAt(t, o, socket)
	c := client.New(socket)
	defer c.Close()
	events := read(t, c.Follow(t.Context(), resource.WatchRequest{}))
	events.want(resource.WatchSynced)
	put(t, c, "1")
	events.want(resource.WatchAdded)
	stop()
	stop = apitest.ServeAt(t, o, socket)
	t.Cleanup(stop)
	put(t, c, "2")
	events.want(resource.WatchModified) // and nothing twice
	put(t, c, "3")
	events.want(resource.WatchModified)
}

func TestFollowStartsAgainWhenItsRevisionHasLapsed(t *testing.T) {
	backend, c := start(t, resource.Source)
	put(t, c, "1")
	old := resource.Revision(1)
	backend.Lapse()
	events := read(t, c.Follow(t.Context(), resource.WatchRequest{Since: &old}))
	events.want(client.WatchRestarted)
	events.want(resource.WatchAdded)
	events.want(resource.WatchSynced)
	backend.Lapse()
	backend.Bookmark()
	events.want(client.WatchRestarted)
	events.want(resource.WatchAdded)
	events.want(resource.WatchSynced)
}

func TestFollowStartsAgainWhenItsListingWasCut(t *testing.T) {
	backend := apitest.New(resource.Source)
	cut := &cutsListing{Backend: backend}
	c := client.New(apitest.Serve(t, localapi.Options{Backend: cut}))
	t.Cleanup(c.Close)
	put(t, c, "1")
	events := read(t, c.Follow(t.Context(), resource.WatchRequest{}))
	events.want(resource.WatchAdded)
	events.want(client.WatchRestarted)
	events.want(resource.WatchAdded)
	events.want(resource.WatchSynced)
}

// cutsListing ends the first watch before SYNCED.
type cutsListing struct {
	*apitest.Backend
	done bool
}

func (b *cutsListing) Watch(ctx context.Context, req resource.WatchRequest, send func([]resource.WatchEvent) error) error {
	if b.done {
		return b.Backend.Watch(ctx, req, send)
	}
	b.done = true
	res, err := b.Get(ctx, key)
	if err != nil {
		return err
	}
	return send([]resource.WatchEvent{{Type: resource.WatchAdded, Resource: res}})
}

func TestFollowEndsWithWhatTryingAgainDoesNotMend(t *testing.T) {
	_, c := start(t, resource.Source)
	wantCode(t, read(t, c.Follow(t.Context(), resource.WatchRequest{Cluster: "A"})).wantError(), resource.InvalidArgument)
	ctx, cancel := context.WithCancel(t.Context())
	events := read(t, c.Follow(ctx, resource.WatchRequest{}))
	events.want(resource.WatchSynced)
	cancel()
	if err := events.wantError(); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestFollowWaitsForASidecarThatIsNotThereYet(t *testing.T) {
	socket := apitest.Socket(t)
	c := client.New(socket)
	defer c.Close()
	got := make(chan resource.WatchEvent, 1)
	go func() {
		for event := range c.Follow(t.Context(), resource.WatchRequest{}) {
			got <- event
			return
		}
	}()
	t.Cleanup(apitest.ServeAt(t, localapi.Options{Backend: apitest.New(resource.Source)}, socket))
	if event := <-got; event.Type != resource.WatchSynced {
		t.Errorf("event %+v", event)
	}
}
