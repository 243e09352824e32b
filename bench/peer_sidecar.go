package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// sidecarPair is both apps in this process, each with a sidecar beside it.
type sidecarPair struct {
	names         names
	source, agent *sidecar
	spec, status  chan arrival
	end           context.CancelFunc
	apps          sync.WaitGroup
}

// leasers are the long polls that an app keeps open; leaseMax is what each
// takes at most.
const (
	leasers  = 4
	leaseMax = 64
)

func openSidecars(ctx context.Context, binary string, b *broker, durable bool) (pair, error) {
	ctx, end := context.WithCancel(ctx)
	p := &sidecarPair{names: newNames(), spec: make(chan arrival, waitingEvents), status: make(chan arrival, waitingEvents), end: end}
	var err1, err2 error
	p.source, err1 = startSidecar(binary, resource.Source, p.names, b, durable)
	p.agent, err2 = startSidecar(binary, resource.Agent, p.names, b, durable)
	if err := errors.Join(err1, err2); err != nil {
		p.close()
		return nil, err
	}
	for range leasers {
		p.apps.Go(func() { lease(ctx, p.agent.api, func(a arrival) { p.spec <- a }) })
		p.apps.Go(func() {
			lease(ctx, p.source.api, func(a arrival) {
				p.status <- a
				_ = p.source.api.Answer(ctx, a.lease, resource.WorkResult{}) // the end of the run breaks it off
			})
		})
	}
	return p, nil
}

// lease takes what comes until ctx ends.
func lease(ctx context.Context, api *client.Client, take func(arrival)) {
	for ctx.Err() == nil {
		items, err := api.Lease(ctx, resource.LeaseRequest{Queue: "resources", Max: leaseMax, Wait: 30 * time.Second})
		if err != nil {
			continue
		}
		for _, item := range items {
			if item.Object != nil {
				take(arrival{id: item.Key.ID, version: item.Object.Version, lease: item.Lease})
			}
		}
	}
}

func (p *sidecarPair) put(ctx context.Context, id string, _ int64, spec []byte) error {
	_, _, err := p.source.api.Put(ctx, resource.PutRequest{
		Key:  resource.Key{DataType: dataType, Cluster: p.names.cluster, ID: id},
		Spec: resource.Payload{Data: spec, ContentType: resource.JSONContentType},
	})
	return err
}

func (p *sidecarPair) answer(ctx context.Context, a arrival, status []byte) error {
	return p.agent.api.Answer(ctx, a.lease, resource.WorkResult{Status: status})
}

func (p *sidecarPair) specs() <-chan arrival    { return p.spec }
func (p *sidecarPair) statuses() <-chan arrival { return p.status }

func (p *sidecarPair) pids() map[string]int {
	return map[string]int{"source": p.source.pid(), "agent": p.agent.pid()}
}

func (p *sidecarPair) close() {
	p.end()
	p.apps.Wait()
	for _, s := range []*sidecar{p.source, p.agent} {
		if s != nil {
			s.close()
		}
	}
}

// sidecar is a sidecar process.
type sidecar struct {
	*process
	api     *client.Client
	dir     string
	started time.Time
	ready   time.Duration // from exec to subscribed
}

// startSidecar starts one and waits until it is subscribed.
func startSidecar(binary string, role resource.Role, n names, b *broker, durable bool) (*sidecar, error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	socket, config := filepath.Join(dir, "api.sock"), filepath.Join(dir, "sidecar.yaml")
	text := fmt.Sprintf("role: %s\nid: %s\nmqtt: {brokerHost: %q}\ndataTypes: [%s]\nstate: {dir: %s, sync: %t}\napi: {socket: %s}\n",
		role, map[resource.Role]string{resource.Source: n.source, resource.Agent: n.agent}[role], b.addr, dataType, filepath.Join(dir, "state"), durable, socket)
	if role == resource.Agent {
		text += "cluster: " + n.cluster + "\n"
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	s := &sidecar{dir: dir, api: client.New(socket), started: time.Now()}
	if s.process, err = start(filepath.Join(dir, "log"), binary, "run", "--config", config); err != nil {
		return nil, err
	}
	if err := await(20*time.Second, func() error { return s.api.Ready(context.Background()) }); err != nil {
		defer s.close()
		return nil, s.failed(err)
	}
	status, err := s.api.Status(context.Background())
	if err != nil {
		defer s.close()
		return nil, err
	}
	s.ready = status.Connection.Since.Sub(s.started)
	return s, nil
}

func (s *sidecar) close() {
	s.api.Close()
	s.terminate()
	_ = os.RemoveAll(s.dir)
}
