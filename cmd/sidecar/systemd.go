package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// listenSocket is the socket of a systemd .socket unit, if that has started us,
// and otherwise the one of the configuration. That of systemd has the unit's
// path and mode, and stays when we end.
func listenSocket(path string, mode os.FileMode, log *slog.Logger) (net.Listener, error) {
	inherited, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("socket activation: %w", err)
	}
	switch {
	case len(inherited) == 0:
		return localapi.Listen(path, mode)
	case len(inherited) > 1 || inherited[0] == nil || inherited[0].Addr().Network() != "unix":
		return nil, errors.New("socket activation: the .socket unit must have one ListenStream= with the path of a Unix socket, and no other")
	}
	if given := inherited[0].Addr().String(); given != path {
		log.Warn("the socket is that of the .socket unit, not api.socket", "socket", given, "api.socket", path)
	}
	return inherited[0], nil
}

// notify tells systemd, if that has started us, how we are.
func notify(state string, log *slog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd is not told", "state", state, "error", err)
	}
}

// watchdog tells systemd that the local API answers, twice in each interval of
// WatchdogSec=, until ctx ends. If it does not answer, systemd starts us again.
func watchdog(ctx context.Context, socket string, log *slog.Logger) error {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return nil
	}
	c := client.New(socket)
	defer c.Close()
	every(ctx, interval/2, func() {
		if answers(ctx, c, interval/2) {
			notify(daemon.SdNotifyWatchdog, log)
		}
	})
	return nil
}

// every calls act again and again until ctx ends, one call after the other.
func every(ctx context.Context, interval time.Duration, act func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			act()
		}
	}
}

// answers tells whether there is any answer, be it that our own uid may not ask.
func answers(ctx context.Context, c *client.Client, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err := c.Live(ctx)
	return err == nil || resource.CodeOf(err) == resource.Forbidden
}
