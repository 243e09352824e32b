package main

import (
	"context"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/pillion-dev/pillion/pkg/access"
	"github.com/pillion-dev/pillion/pkg/config"
	"github.com/pillion-dev/pillion/pkg/localapi"
)

// entrance is the way in over TCP: the guarded API, and the plain probes
// (docs/security.md). What is not configured is not there.
type entrance struct {
	certificates *access.Certificates
	token        *access.Token
	api, probes  *door
}

func newEntrance(cfg *config.Config, server *localapi.Server, log *slog.Logger) *entrance {
	e := &entrance{
		certificates: access.NewCertificates(cfg.State.Dir, "sidecar "+cfg.ID, log),
		token:        access.NewToken(log),
	}
	guarded := server.Guarded(e.token.Allow)
	e.api = newDoor("api.listen", log, func(ctx context.Context, l net.Listener) error {
		return guarded.ServeTLS(ctx, l, e.certificates.Config())
	})
	e.probes = newDoor("probes.listen", log, server.Probes().Serve)
	return e
}

func (e *entrance) collector() prometheus.Collector { return e.certificates.Collector() }

// arrange is the way in that a configuration describes. An error has opened and
// closed nothing.
func (e *entrance) arrange(cfg *config.Config) error {
	api, err := e.api.prepare(cfg.API.Listen)
	if err != nil {
		return err
	}
	probes, err := e.probes.prepare(cfg.Probes.Listen)
	if err == nil && cfg.API.Listen != "" {
		err = e.identify(cfg)
	}
	if err != nil {
		api.drop()
		probes.drop()
		return err
	}
	if err := writeKubeconfig(cfg); err != nil {
		api.drop()
		probes.drop()
		return err
	}
	api.make()
	probes.make()
	return nil
}

// identify puts certificate and token in effect.
func (e *entrance) identify(cfg *config.Config) error {
	path, own := cfg.API.TokenFile, cfg.API.TokenFile == ""
	if own {
		path = access.OwnTokenFile(cfg.State.Dir)
	}
	if err := e.token.Use(path, own); err != nil {
		return err
	}
	if tls := cfg.API.TLS; len(tls.CertData) > 0 {
		return e.certificates.Show(tls.CertData, tls.KeyData)
	}
	return e.certificates.ShowOwn(cfg.API.Listen)
}

// close closes what was opened and never served.
func (e *entrance) close() {
	e.api.clear()
	e.probes.clear()
}

// Run serves until ctx ends, and renews the certificate.
func (e *entrance) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return e.api.Run(ctx) })
	group.Go(func() error { return e.probes.Run(ctx) })
	group.Go(func() error { return e.certificates.Run(ctx) })
	return group.Wait()
}
