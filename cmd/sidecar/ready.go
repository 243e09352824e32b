package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

const (
	readyPoll    = 200 * time.Millisecond
	readyTimeout = 5 * time.Second // of one try: a probe must not hang
)

func newReadyCommand(a *cli) *cobra.Command {
	var exclude []string
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "ready",
		Short: "Tell whether the sidecar is ready (an exec probe)",
		Long: `Tell whether the sidecar is ready: exit code 0 or 1, with the causes on stderr.

The checks are broker, subscribed, store and resync. As a startup probe that
orders an app after the sidecar without tying it to the broker, exclude all but
the store.`,
		Example: `  sidecar ready
  sidecar ready --exclude broker,subscribed,resync
  sidecar ready --wait 30s`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if wait < 0 {
				return usagef("--wait must not be below 0")
			}
			c := a.client()
			defer c.Close()
			if err := waitReady(cmd.Context(), c, exclude, wait); err != nil {
				return err
			}
			return a.say(map[string]bool{"ready": true}, "ready")
		},
	}
	cmd.Flags().StringSliceVar(&exclude, "exclude", nil, "checks that do not count; repeats, or takes commas")
	_ = cmd.RegisterFlagCompletionFunc("exclude", cobra.FixedCompletions([]string{"broker", "subscribed", "store", "resync"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().DurationVar(&wait, "wait", 0, "keep trying for that long")
	return cmd
}

// waitReady asks until the sidecar is ready or the time is over, and returns
// what the last answer was. A sidecar that is not there yet is not ready yet.
func waitReady(ctx context.Context, c *client.Client, exclude []string, wait time.Duration) error {
	deadline := time.Now().Add(wait)
	for {
		err := tryReady(ctx, c, exclude)
		left := time.Until(deadline)
		if err == nil || left <= 0 || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(min(readyPoll, left)):
		case <-ctx.Done():
			return err
		}
	}
}

func tryReady(ctx context.Context, c *client.Client, exclude []string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return c.Ready(ctx, exclude...)
}

// notStarted tells whether nobody listens there.
func notStarted(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

// waitLive waits for a sidecar that has not started yet, and says so once. It
// returns nil too when ctx ends.
func (a *cli) waitLive(ctx context.Context, c *client.Client) error {
	for told := false; ; told = true {
		err := c.Live(ctx)
		switch {
		case err == nil || ctx.Err() != nil:
			return nil
		case resource.CodeOf(err) != resource.Unavailable || !notStarted(err):
			return err
		case !told:
			fmt.Fprintf(a.errOut, "sidecar: %s; waiting for it\n", oneLine(err.Error()))
		}
		select {
		case <-time.After(readyPoll):
		case <-ctx.Done():
		}
	}
}
