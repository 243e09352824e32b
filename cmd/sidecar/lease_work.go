package main

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/worker"
)

// work runs a worker until it is interrupted or has nothing more to do.
func (a *cli) work(cmd *cobra.Command, command []string, f *leaseFlags) error {
	if _, err := exec.LookPath(command[0]); err != nil {
		return fmt.Errorf("the command cannot be run: %w", err)
	}
	ctx, hurry, stop := untilSignals(cmd.Context())
	defer stop()
	c := a.client()
	defer c.Close()
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	role, err := awaitRole(ctx, c, f.once || f.untilEmpty, log)
	if err != nil {
		return err
	}
	target, err := a.targetEnvironment()
	if err != nil {
		return err
	}
	summary, err := worker.Run(ctx, worker.Options{
		Queue: c, Request: f.request, Command: command, Env: target,
		Concurrency: f.concurrency, Timeout: f.timeout, Grace: f.grace, Hurry: hurry,
		Agent: role == resource.Agent, ConfirmDeletes: f.confirmDeletes, Once: f.once, UntilEmpty: f.untilEmpty,
		Stdout: a.out, Stderr: cmd.ErrOrStderr(), Log: log,
	})
	if err == nil && summary.Failed > 0 && (f.once || f.untilEmpty) {
		err = fmt.Errorf("%d of %d failed; what they wrote to standard error says why", summary.Failed, summary.Failed+summary.Done)
	}
	return err
}

// targetEnvironment lets `sidecar` in a command call the sidecar that the flags
// name, wherever the command runs.
func (a *cli) targetEnvironment() (env []string, err error) {
	target := map[string]string{"SIDECAR_SOCKET": a.socket}
	if a.remote.Server != "" {
		target = map[string]string{"SIDECAR_CA_FILE": a.remote.CAFile, "SIDECAR_TOKEN_FILE": a.remote.TokenFile}
	}
	for name, path := range target {
		if path != "" {
			if path, err = filepath.Abs(path); err != nil {
				return nil, err
			}
		}
		env = append(env, name+"="+path)
	}
	return append(env, "SIDECAR_SERVER="+a.remote.Server), nil
}

// awaitRole asks the sidecar for its role: as soon as it is there, unless now is
// when it has to be.
func awaitRole(ctx context.Context, c *client.Client, now bool, log *slog.Logger) (resource.Role, error) {
	for asked := false; ; asked = true {
		status, err := c.Status(ctx)
		switch {
		case err == nil:
			return status.Role, nil
		case ctx.Err() != nil:
			return "", nil // interrupted: Run ends at once
		case now || resource.CodeOf(err) != resource.Unavailable:
			return "", err
		case !asked:
			log.Warn("the sidecar does not answer; asking again until it does", "error", err)
		}
		select {
		case <-time.After(readyPoll):
		case <-ctx.Done():
		}
	}
}
