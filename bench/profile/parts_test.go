package main

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// The parts of spec latency, each alone, so that their sum can be held against
// the whole.

// still answers at once.
type still struct{ localapi.Backend }

func (still) Role() resource.Role { return resource.Source }
func (still) Put(_ context.Context, req resource.PutRequest) (*resource.Resource, bool, error) {
	return &resource.Resource{Key: req.Key, Version: 1, Spec: req.Spec.Data}, false, nil
}
func (still) Lease(_ context.Context, _ resource.LeaseRequest) ([]resource.LeaseItem, error) {
	return []resource.LeaseItem{{Lease: "x", Key: partKey, Reasons: []string{"updated"}, Attempt: 1,
		Object: &resource.Resource{Key: partKey, Version: 1, Spec: specOf(1)}}}, nil
}

var partKey = resource.Key{DataType: dataType, Source: "hub", Cluster: "c1", ID: "dev-1"}

func serveStill(b *testing.B) *client.Client {
	b.Helper()
	socket := filepath.Join(b.TempDir(), "s")
	listener, err := localapi.Listen(socket, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		_ = localapi.New(localapi.Options{Backend: still{}}).Serve(ctx, listener)
		close(ended)
	}()
	b.Cleanup(func() {
		cancel()
		<-ended
	})
	return client.New(socket)
}

func BenchmarkHTTPLive(b *testing.B) {
	c := serveStill(b)
	for b.Loop() {
		if err := c.Live(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHTTPPut(b *testing.B) {
	c := serveStill(b)
	for b.Loop() {
		if err := put(context.Background(), c, "c1", 1, 1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHTTPLease(b *testing.B) {
	c := serveStill(b)
	for b.Loop() {
		if _, err := c.Lease(context.Background(), resource.LeaseRequest{Queue: "resources", Max: 1, Wait: time.Second}); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkCommit(b *testing.B, durable bool) {
	s, err := store.Open(store.Options{Dir: b.TempDir(), Sync: durable})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	n := 0
	for b.Loop() {
		n++
		spec := specOf(n)
		key := partKey
		key.ID = fmt.Sprint("dev-", n%100)
		err := s.Update(context.Background(), func(tx *store.Tx) error {
			tx.Put(store.Meta{Key: key, Version: int64(n), ContentType: "application/json"}, store.Write{Visible: true, SpecChanged: true, Spec: &spec})
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCommit(b *testing.B)     { benchmarkCommit(b, false) }
func BenchmarkCommitSync(b *testing.B) { benchmarkCommit(b, true) }

func BenchmarkGet(b *testing.B) {
	s, err := store.Open(store.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	spec := specOf(1)
	if err := s.Update(context.Background(), func(tx *store.Tx) error {
		tx.Put(store.Meta{Key: partKey, Version: 1}, store.Write{Visible: true, Spec: &spec})
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Get(partKey); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEqual(b *testing.B) {
	x, y := specOf(1), specOf(2)
	for b.Loop() {
		if event.Equal(x, y) {
			b.Fatal("equal")
		}
	}
}

func BenchmarkEncodeEvent(b *testing.B) {
	e := &event.Event{Source: "hub", Cluster: "c1", ResourceID: "dev-1", ResourceVersion: 1,
		Type:    event.Type{DataType: dataType, Sub: event.SubSpec, Action: event.UpdateRequest},
		Payload: resource.Payload{Data: specOf(1), ContentType: resource.JSONContentType}}
	for b.Loop() {
		if _, err := e.CloudEvent(); err != nil {
			b.Fatal(err)
		}
	}
}
