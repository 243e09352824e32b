package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

func newWatchCommand(a *cli) *cobra.Command {
	var source string
	cmd := &cobra.Command{
		Use:   "watch [DATATYPE [CLUSTER]]",
		Short: "Show changes as they happen",
		Long: `Show all resources, then each change, until interrupted.

On a terminal it is one table whose rows change in place; if they are too many,
those that have changed last. With another output, or none to look at, there is
a line for each change.

A sidecar that is not there yet is waited for. A connection that breaks is made
again, and nothing is missed: if that is no longer possible, a line RESTARTED
says that what follows, up to SYNCED, is all that there is.

With -o json each event is one line, with -o yaml one document.`,
		Example: `  sidecar watch
  sidecar watch com.example.fleet.v1alpha1.devices cluster1 -o json`,
		Args:              cobra.MaximumNArgs(2),
		ValidArgsFunction: a.completeScope,
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := keyOf(args, source)
			if err != nil {
				return err
			}
			return a.watch(cmd.Context(), resource.WatchRequest{DataType: key.DataType, Cluster: key.Cluster, Source: source})
		},
	}
	cmd.Flags().StringVar(&source, "source", "", "only resources of this source")
	return cmd
}

// watch waits for a sidecar that is not there, to begin with as later on.
func (a *cli) watch(ctx context.Context, req resource.WatchRequest) error {
	ctx, stop := untilSignal(ctx)
	defer stop()
	c := a.client()
	defer c.Close()
	if err := a.waitLive(ctx, c); err != nil || ctx.Err() != nil {
		return err
	}
	if t := a.live(); t != nil {
		return a.watchLive(ctx, t, c, req)
	}
	a.watchHeader()
	for event, err := range c.Follow(ctx, req) {
		if ctx.Err() != nil {
			return nil // interrupted: that is how a watch ends
		}
		if err == nil {
			err = a.printEvent(event)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// The columns have fixed widths, since what is still to come is not known.
const (
	eventRow     = "%-10s %-20s %-36s %-8s %-10s %s\n"
	eventRowWide = "%-48s %-20s "
)

func (a *cli) watchHeader() {
	switch a.output {
	case "wide":
		fmt.Fprintf(a.out, eventRowWide, "DATATYPE", "SOURCE")
		fallthrough
	case "table":
		fmt.Fprintf(a.out, eventRow, "EVENT", "CLUSTER", "ID", "VERSION", "STATE", "STATUS")
	}
}

func (a *cli) printEvent(event resource.WatchEvent) error {
	switch a.output {
	case "json":
		return writeJSON(a.out, event, "")
	case "yaml":
		if _, err := io.WriteString(a.out, "---\n"); err != nil {
			return err
		}
		return writeYAML(a.out, event)
	}
	return a.printEventRow(event)
}

func (a *cli) printEventRow(event resource.WatchEvent) error {
	res := event.Resource
	if res == nil {
		res = &resource.Resource{}
	}
	if a.output == "wide" && event.Type != resource.WatchBookmark {
		fmt.Fprintf(a.out, eventRowWide, orDash(clean(string(res.DataType))), orDash(clean(res.Source)))
	}
	var err error
	switch event.Type {
	case resource.WatchBookmark:
	case resource.WatchSynced, client.WatchRestarted:
		_, err = fmt.Fprintf(a.out, eventRow, event.Type, "-", "-", "-", "-", "-")
	default:
		_, err = fmt.Fprintf(a.out, eventRow, event.Type, clean(res.Cluster), clean(res.ID), number(res.Version), stateOf(res), statusOf(res))
	}
	return err
}
