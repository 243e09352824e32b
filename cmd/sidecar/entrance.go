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
	kubeconfig   *kubeconfigFile
}

func newEntrance(cfg *config.Config, server *localapi.Server, log *slog.Logger) *entrance {
	e := &entrance{
		certificates: access.NewCertificates(cfg.State.Dir, "sidecar "+cfg.ID, log),
		token:        access.NewToken(log),
		kubeconfig:   &kubeconfigFile{log: log},
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
// closed nothing, and who was let in before still is.
func (e *entrance) arrange(cfg *config.Config) error {
	api, err := e.api.prepare(cfg.API.Listen)
	if err != nil {
		return err
	}
	probes, err := e.probes.prepare(cfg.Probes.Listen)
	identify := func() {}
	if err == nil && cfg.API.Listen != "" {
		identify, err = e.identity(cfg)
	}
	if err == nil {
		err = e.kubeconfig.arrange(cfg) // last, because it is seen outside
	}
	if err != nil {
		api.drop()
		probes.drop()
		return err
	}
	identify()
	api.make()
	probes.make()
	return nil
}

// identity reads certificate and token, and returns what puts them in effect.
func (e *entrance) identity(cfg *config.Config) (identify func(), err error) {
	path, own := cfg.API.TokenFile, cfg.API.TokenFile == ""
	if own {
		path = access.OwnTokenFile(cfg.State.Dir)
	}
	use, err := e.token.Prepare(path, own)
	if err != nil {
		return nil, err
	}
	show, err := e.certificate(cfg)
	if err != nil {
		return nil, err
	}
	return func() { use(); show() }, nil
}

func (e *entrance) certificate(cfg *config.Config) (show func(), err error) {
	if tls := cfg.API.TLS; len(tls.CertData) > 0 {
		return e.certificates.Prepare(tls.CertData, tls.KeyData)
	}
	return e.certificates.PrepareOwn(cfg.API.Listen)
}

// close closes what was opened and never served.
func (e *entrance) close() {
	e.api.clear()
	e.probes.clear()
}

// Run serves until ctx ends, renews the certificate, and tells Kubernetes clients
// of a new token.
func (e *entrance) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return e.api.Run(ctx) })
	group.Go(func() error { return e.probes.Run(ctx) })
	group.Go(func() error { return e.certificates.Run(ctx) })
	group.Go(func() error { return e.kubeconfig.Run(ctx) })
	return group.Wait()
}
