package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pillion-dev/pillion/pkg/config"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// newTestApp is a source without a broker.
func newTestApp(t *testing.T) *App {
	t.Helper()
	dir, err := os.MkdirTemp("", "sidecar-app-") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "sidecar.yaml")
	text := fmt.Sprintf("role: source\nid: hub1\nmqtt: {brokerHost: \"127.0.0.1:1\"}\ndataTypes: [%s]\nstate: {dir: %s}\napi: {socket: %s}\nlog: {level: error}\nshutdownGrace: 1s\n",
		devices, filepath.Join(dir, "state"), filepath.Join(dir, "api.sock"))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	app, err := NewApp(cfg, path)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// A store that can never write again ends the sidecar, so that whoever started
// it starts it again.
func TestABrokenStoreEndsTheSidecar(t *testing.T) {
	app := newTestApp(t)
	ended := make(chan error, 1)
	go func() { ended <- app.Run(t.Context()) }()
	put := resource.PutRequest{Key: resource.Key{DataType: devices, Cluster: "cluster1", ID: "dev-1"},
		Spec: resource.Payload{Data: []byte(`{}`), ContentType: resource.JSONContentType}}
	if _, _, err := app.proxy.Put(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(app.store.Path(), 0); err != nil { // the disk has lost it
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "start the sidecar again") || !strings.Contains(err.Error(), app.store.Path()) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it goes on with a store that cannot write")
	}
}

// What waits for a broken store for ever does not keep the sidecar.
func TestABrokenStoreIsNotWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newTestApp(t)
		defer app.listener.Close()
		defer app.store.Close()
		if err := os.Truncate(app.store.Path(), 0); err != nil {
			t.Fatal(err)
		}
		_, _ = app.proxy.Get(t.Context(), resource.Key{DataType: devices, Source: "hub1", Cluster: "cluster1", ID: "dev-1"})
		stuck, group := make(chan struct{}), &errgroup.Group{}
		defer close(stuck)
		group.Go(func() error { <-stuck; return nil })
		start := time.Now()
		ended, err := app.wait(group)
		if took := time.Since(start); ended || err == nil || took > time.Second+brokenPatience {
			t.Errorf("after %s: ended %v, %v", took, ended, err)
		}
	})
}

// Whose store a sidecar takes over.
func TestMayOpen(t *testing.T) {
	source := &config.Config{Role: resource.Source, ID: "hub1"}
	agent := &config.Config{Role: resource.Agent, ID: "a2", Cluster: "cluster1"}
	for owner, want := range map[string][2]bool{
		ownerOf(source): {true, false}, "source hub2": {false, false}, ownerOf(agent): {false, true}, "agent a1 of cluster cluster1": {false, true},
	} {
		if got := [2]bool{mayOpen(source)(owner), mayOpen(agent)(owner)}; got != want {
			t.Errorf("%s: %v, want %v", owner, got, want)
		}
	}
}
