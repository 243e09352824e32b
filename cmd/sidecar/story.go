package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// storyteller plays both apps of the demo, each through its sidecar's socket.
type storyteller struct {
	out    io.Writer
	hub    *client.Client
	edge   *client.Client
	key    resource.Key
	began  time.Time
	number int
}

func playStory(ctx context.Context, out io.Writer, source, agent string) error {
	s := &storyteller{out: out, hub: client.New(source), edge: client.New(agent), began: time.Now(),
		key: resource.Key{DataType: demoDataType, Cluster: demoCluster, ID: "dev-1"}}
	defer s.hub.Close()
	defer s.edge.Close()
	for _, step := range []func(context.Context) error{s.declare, s.handle, s.observe, s.remove} {
		ctx, cancel := context.WithTimeout(ctx, stepTimeout)
		err := step(ctx)
		cancel()
		if err != nil {
			return fmt.Errorf("the story broke off: %w", err)
		}
	}
	return nil
}

func (s *storyteller) say(format string, args ...any) {
	s.number++
	fmt.Fprintf(s.out, "%d. %4d ms  %s\n", s.number, time.Since(s.began).Milliseconds(), fmt.Sprintf(format, args...))
}

func (s *storyteller) declare(ctx context.Context) error {
	res, _, err := s.hub.Put(ctx, resource.PutRequest{Key: s.key,
		Spec: resource.Payload{Data: []byte(`{"model":"tractor-x"}`), ContentType: resource.JSONContentType}})
	if err != nil {
		return err
	}
	s.say("hub: PUT %s on %s, version %d, %s", res.ID, res.Cluster, res.Version, res.Sync.State)
	return nil
}

func (s *storyteller) lease(ctx context.Context, c *client.Client) (resource.LeaseItem, error) {
	items, err := c.Lease(ctx, resource.LeaseRequest{Queue: "resources", Max: 1, Wait: stepTimeout, LeaseFor: time.Minute})
	if err != nil {
		return resource.LeaseItem{}, err
	}
	if len(items) == 0 {
		return resource.LeaseItem{}, fmt.Errorf("nothing came in %s", stepTimeout)
	}
	return items[0], nil
}

func (s *storyteller) handle(ctx context.Context) error {
	item, err := s.lease(ctx, s.edge)
	if err != nil {
		return err
	}
	s.say("%s: leased %s: %v, spec %s", demoCluster, item.Key.ID, item.Reasons, item.Object.Spec)
	status := json.RawMessage(`{"online":true}`)
	if err := s.edge.Answer(ctx, item.Lease, resource.WorkResult{Status: status}); err != nil {
		return err
	}
	s.say("%s: answered with status %s", demoCluster, status)
	return nil
}

func (s *storyteller) observe(ctx context.Context) error {
	item, err := s.lease(ctx, s.hub)
	if err != nil {
		return err
	}
	s.say("hub: leased %s: %v, status %s, %s", item.Key.ID, item.Reasons, item.Object.Status, item.Object.Sync.State)
	return s.hub.Answer(ctx, item.Lease, resource.WorkResult{})
}

func (s *storyteller) remove(ctx context.Context) error {
	if _, _, err := s.hub.Delete(ctx, resource.DeleteRequest{Key: s.key}); err != nil {
		return err
	}
	s.say("hub: DELETE %s", s.key.ID)
	item, err := s.lease(ctx, s.edge)
	if err != nil {
		return err
	}
	s.say("%s: leased %s: %v", demoCluster, item.Key.ID, item.Reasons)
	if err := s.edge.Answer(ctx, item.Lease, resource.WorkResult{Deleted: true}); err != nil {
		return err
	}
	s.say("%s: cleaned up, answered deleted", demoCluster)
	if item, err = s.lease(ctx, s.hub); err != nil {
		return err
	}
	s.say("hub: leased %s: %v, it is gone on both sides", item.Key.ID, item.Reasons)
	return s.hub.Answer(ctx, item.Lease, resource.WorkResult{})
}
