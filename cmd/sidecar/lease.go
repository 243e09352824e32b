package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/resource"
)

func newLeaseCommand(a *cli) *cobra.Command {
	var f leaseFlags
	cmd := &cobra.Command{
		Use:   "lease [-- COMMAND [ARG...]]",
		Short: "Run a command for each item of a work queue",
		Long: `Take work from a queue and run COMMAND for each item, until interrupted. COMMAND
gets the item as JSON on its standard input, and of it in its environment
SIDECAR_KEY_ID, SIDECAR_DATA_TYPE, SIDECAR_SOURCE, SIDECAR_CLUSTER,
SIDECAR_VERSION, SIDECAR_REASONS (with commas), SIDECAR_ATTEMPT,
SIDECAR_DELETING and SIDECAR_GONE (true or false), SIDECAR_QUEUE and
SIDECAR_LEASE. 'sidecar' in it calls the same sidecar.

Its exit code is the answer:
  0       done; at an agent, with --confirm-deletes, an item with
          SIDECAR_DELETING=true is confirmed to be cleaned up
  65      failed, and not to be retried (EX_DATAERR): the key becomes dead
  others  failed; it comes back after a while, each time after a longer one
At an agent its standard output is the status, if it is a JSON object; any other
output is passed on. The last line of its standard error is the error's text.

Without --confirm-deletes an item that is being deleted comes back until the
deletion is confirmed in another way, such as 'sidecar delete' in COMMAND.

Leases are extended while COMMAND runs. SIGTERM stops taking; the commands that
run may end within --grace, then their process groups get SIGTERM, and SIGKILL
5 seconds later; what they did not finish goes back. A second SIGTERM ends the
grace.

Without COMMAND the items are shown. They come back when --lease-for is over,
unless --done says that this is all there was to do.`,
		Example: `  sidecar lease --confirm-deletes -- ./handle.sh
  sidecar lease --data-type com.example.fleet.v1alpha1.devices --concurrency 8 -- ./handle.sh
  sidecar lease --exit-when-empty -- sh -c 'jq .object.spec > "$SIDECAR_KEY_ID.json"'
  sidecar lease --max 10 -o json`,
		Args: checkLeaseArgs,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault // files: COMMAND and its arguments
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd, len(args) > 0); err != nil {
				return err
			}
			if len(args) == 0 {
				return a.showLeased(cmd.Context(), &f)
			}
			return a.work(cmd, args, &f)
		},
	}
	f.add(cmd, a)
	return cmd
}

// checkLeaseArgs wants the command behind "--", so that its flags are its own.
func checkLeaseArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
		return usagef("%q: write -- before the command: sidecar lease [flags] -- COMMAND", args[0])
	}
	return nil
}

// showLeased prints items and leaves them leased, or answers that they are done.
func (a *cli) showLeased(ctx context.Context, f *leaseFlags) error {
	c := a.client()
	defer c.Close()
	items, err := c.Lease(ctx, f.request)
	if err != nil {
		return err
	}
	if items == nil {
		items = []resource.LeaseItem{}
	}
	err = a.print(map[string]any{"items": items}, func(w io.Writer, wide bool) { writeLeased(w, items, wide) })
	if err != nil || !f.done {
		return err
	}
	for _, item := range items {
		if err := c.Answer(ctx, item.Lease, resource.WorkResult{}); err != nil {
			return fmt.Errorf("answer for %s: %w", item.Key, err)
		}
	}
	return nil
}

func writeLeased(w io.Writer, items []resource.LeaseItem, wide bool) {
	if wide {
		row(w, "DATATYPE", "SOURCE", "CLUSTER", "ID", "VERSION", "ATTEMPT", "REASONS", "LEASE")
	} else {
		row(w, "CLUSTER", "ID", "VERSION", "ATTEMPT", "REASONS")
	}
	for _, item := range items {
		version := "-"
		if item.Object != nil {
			version = number(item.Object.Version)
		}
		cells := []string{item.Key.Cluster, item.Key.ID, version, number(int64(item.Attempt)), orDash(strings.Join(item.Reasons, ","))}
		if wide {
			cells = append(append([]string{string(item.Key.DataType), item.Key.Source}, cells...), item.Lease)
		}
		row(w, cells...)
	}
}
