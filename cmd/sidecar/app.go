package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/pillion-dev/pillion/pkg/config"
	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/proxy"
	"github.com/pillion-dev/pillion/pkg/push"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
	"github.com/pillion-dev/pillion/pkg/transport/mqtt"
)

// App is one sidecar: what a configuration describes, wired together.
//
// Order of start: store, then the engine, then socket, TCP listeners and push
// handlers, so that the first request finds everything. Order of end: no more
// work is handed out, and who waits for news is told so; the handlers finish
// their calls, and the engine publishes their results and closes the broker
// connection, while the API still answers; then the listeners; the store last,
// because all of them write to it.
type App struct {
	config   atomic.Pointer[config.Config] // in effect
	level    *slog.LevelVar
	log      *slog.Logger
	store    *store.Store
	driver   *mqtt.Driver
	proxy    *proxy.Proxy
	push     *push.Push
	server   *localapi.Server
	listener net.Listener
	entrance *entrance
	works    worksAPI
	watcher  *config.Watcher
}

// NewApp opens everything that can fail: store, socket and options. The broker
// is not among them: a sidecar starts without it.
func NewApp(cfg *config.Config, path string) (_ *App, err error) {
	a := &App{level: &slog.LevelVar{}}
	a.config.Store(cfg)
	a.level.Set(cfg.Log.Level)
	a.log = newLogger(cfg.Log.Format, a.level).With("role", string(cfg.Role), "id", cfg.ID)
	for _, warning := range cfg.Warnings {
		a.log.Warn("configuration", "remark", warning)
	}
	a.watcher = config.NewWatcher(path, cfg, a.log)
	if a.driver, err = newDriver(cfg, a.log); err != nil {
		return nil, err
	}
	if a.store, err = store.Open(store.Options{Dir: cfg.State.Dir, Sync: cfg.State.Sync, Owner: ownerOf(cfg), Mine: mayOpen(cfg), Forget: notRestored, Log: a.log}); err != nil {
		return nil, err
	}
	if err := a.openEngine(cfg); err != nil {
		return nil, errors.Join(err, a.store.Close())
	}
	return a, nil
}

func (a *App) openEngine(cfg *config.Config) (err error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(a.watcher.Collectors()...)
	a.proxy, err = proxy.New(proxy.Options{
		Role: cfg.Role, ID: cfg.ID, Cluster: cfg.Cluster, Version: version(),
		Store: a.store, Driver: a.driver, Live: liveSettings(cfg),
		Config: a.watcher.Status, Metrics: registry, Log: a.log,
		Busy: func() bool { return a.push.Busy() },
	})
	if err != nil {
		return err
	}
	a.works = newWorksAPI(a)
	a.server = localapi.New(localapi.Options{
		Backend:    backend{a.proxy, func() []resource.HandlerStatus { return a.push.Status() }},
		Registerer: registry, Log: a.log,
		Kubernetes:       a.works.handler(),
		Metrics:          promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		MaxResourceBytes: func() int64 { return a.config.Load().Limits.MaxResourceBytes },
		MaxWatchers:      func() int { return a.config.Load().Limits.MaxWatchers },
		AllowedUIDs:      func() []uint32 { return a.config.Load().API.AllowedUIDs },
	})
	if err := a.openPush(cfg, registry); err != nil {
		return err
	}
	a.entrance = newEntrance(cfg, a.server, a.log)
	registry.MustRegister(a.entrance.collector())
	if err := a.entrance.arrange(cfg); err != nil {
		return err
	}
	if a.listener, err = listenSocket(cfg.API.Socket, cfg.API.SocketMode, a.log); err != nil {
		a.entrance.close()
	}
	return err
}

// notRestored are the settings that a store loses with its memory: the app has to
// say again that it has declared everything (docs/operations.md, Backup).
var notRestored = []string{proxy.SyncedSetting}

// ownerOf names whose store it is.
func ownerOf(cfg *config.Config) string {
	if cfg.Role == resource.Agent {
		return "agent " + cfg.ID + " of cluster " + cfg.Cluster
	}
	return "source " + cfg.ID
}

// mayOpen tells which store may be opened: not that of the other role, nor that of
// another source, whose resources nobody would ever hear of again. What an agent
// is called is not in its resources.
func mayOpen(cfg *config.Config) func(owner string) bool {
	return func(owner string) bool {
		role, _, _ := strings.Cut(owner, " ")
		return role == string(cfg.Role) && (cfg.Role == resource.Agent || owner == ownerOf(cfg))
	}
}

// Run serves until ctx ends or a client asks for the shutdown, or until the
// store is broken: whoever started the sidecar starts it again then.
func (a *App) Run(ctx context.Context) error {
	a.log.Info("sidecar started", "version", version(), "socket", a.config.Load().API.Socket, "state", a.store.Path())
	group, ctx := errgroup.WithContext(ctx)
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	group.Go(func() error { return a.server.Serve(serving, a.listener) })
	group.Go(func() error { return a.entrance.Run(serving) })
	group.Go(func() error { return forgetStartLater(serving) })
	group.Go(func() error { return a.works.run(serving) })
	group.Go(func() error { return a.watcher.Run(serving, a.apply) })
	group.Go(func() error { return a.runPush(ctx) })
	group.Go(func() error { return watchdog(serving, a.listener.Addr().String(), a.log) })
	group.Go(func() error { return a.announceEnd(ctx, serving) })
	group.Go(func() error { return a.watchStore(serving) })
	group.Go(func() error {
		defer stopServing()
		return a.proxy.Run(ctx)
	})
	notify(daemon.SdNotifyReady, a.log)
	ended, err := a.wait(group)
	if !ended {
		return err
	}
	pending := a.proxy.Pending()
	if closeErr := a.store.Close(); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("close the store: %w", closeErr))
	}
	a.log.Info("sidecar stopped", "pending", pending)
	return err
}

// announceEnd waits until the end begins, and tells everybody.
func (a *App) announceEnd(ctx, serving context.Context) error {
	select {
	case <-ctx.Done():
	case <-a.proxy.Stopping():
	case <-serving.Done():
	}
	a.log.Info("sidecar is ending: it hands out no more work, and publishes what is pending", "grace", a.config.Load().ShutdownGrace)
	notify(daemon.SdNotifyStopping, a.log)
	a.server.Drain()
	return nil
}

// brokenPatience is how much longer than shutdownGrace the end of a sidecar with
// a broken store may take.
const brokenPatience = 10 * time.Second

// wait waits until all parts have ended and returns why the first did. Parts that
// read a broken store may wait for a lock of its library for ever: after some
// time they are left behind.
func (a *App) wait(group *errgroup.Group) (ended bool, err error) {
	done := make(chan error, 1)
	go func() { done <- group.Wait() }()
	select {
	case err := <-done:
		return true, err
	case <-a.store.Broken():
	}
	select {
	case err := <-done:
		return true, err
	case <-time.After(a.config.Load().ShutdownGrace + brokenPatience):
		return false, a.store.Err()
	}
}

// watchStore ends with an error when the store is broken.
func (a *App) watchStore(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-a.store.Broken():
		return a.store.Err()
	}
}

// Reload reads the configuration again.
func (a *App) Reload() { a.watcher.Reload() }

// apply puts a changed configuration in effect.
func (a *App) apply(changed *config.Config) error {
	current := a.config.Load()
	if err := config.Immutable(current, changed); err != nil {
		return err
	}
	driver, err := newDriver(changed, a.log)
	if err != nil {
		return err
	}
	if err := a.entrance.arrange(changed); err != nil {
		return err
	}
	driver.Inherit(a.driver)
	a.driver = driver
	a.proxy.Reconfigure(liveSettings(changed), driver, config.NeedsReconnect(current, changed))
	a.push.Set(pushHandlers(changed))
	a.level.Set(changed.Log.Level)
	a.config.Store(changed)
	return nil
}

func newLogger(format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == config.FormatJSON {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}
