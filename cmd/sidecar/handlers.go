package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pillion-dev/pillion/pkg/config"
	"github.com/pillion-dev/pillion/pkg/proxy"
	"github.com/pillion-dev/pillion/pkg/push"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// backend is what the local API serves: the engine, with what else there is to
// say of the sidecar.
type backend struct {
	*proxy.Proxy
	handlers func() []resource.HandlerStatus
}

// Status is localapi.Control.
func (b backend) Status() resource.Status {
	status := b.Proxy.Status()
	status.Handlers = b.handlers()
	return status
}

// pushHandlers are the handlers that a configuration describes.
func pushHandlers(c *config.Config) []push.Handler {
	handlers := make([]push.Handler, len(c.Handlers))
	for i, h := range c.Handlers {
		handlers[i] = push.Handler{
			Name: h.Name, Queue: h.Queue, URL: push.Target(h.URL), HealthURL: push.Target(h.HealthURL),
			Concurrency: h.Concurrency, Timeout: h.Timeout, DataTypes: h.DataTypes,
			CloudEvents: h.Format == config.FormatCloudEvents, Headers: map[string]string{},
		}
		for name, value := range h.Headers {
			handlers[i].Headers[name] = string(value)
		}
	}
	return handlers
}

func (a *App) openPush(cfg *config.Config, metrics prometheus.Registerer) (err error) {
	a.push, err = push.New(push.Options{
		Queues: a.proxy, Codec: a.server, Source: "/" + string(cfg.Role) + "s/" + cfg.ID,
		Grace:   func() time.Duration { return a.config.Load().ShutdownGrace },
		Metrics: metrics, Log: a.log,
	})
	if err == nil {
		a.push.Set(pushHandlers(cfg))
	}
	return err
}

// runPush runs the handlers until ctx ends or a client asks for the shutdown.
func (a *App) runPush(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-a.proxy.Stopping():
			cancel()
		case <-ctx.Done():
		}
	}()
	err := a.push.Run(ctx)
	cancel()
	<-ended
	return err
}
