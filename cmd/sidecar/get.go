package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// pageSize is how many resources are asked for at a time.
const pageSize = 500

// states are those of a resource (docs/api.md, "A resource").
var states = []string{string(resource.Pending), string(resource.Published), string(resource.Observed), string(resource.Deleting)}

func newGetCommand(a *cli) *cobra.Command {
	var source, state string
	cmd := &cobra.Command{
		Use:   "get DATATYPE [CLUSTER [ID]]",
		Short: "Show resources",
		Long: `Show the resources of a data type, of one cluster, or one resource.

STATE is pending (not yet with the broker), published, observed (a status for
this version came back) or deleting; at an agent it is that of the status. STATUS is the version that the status is
about.`,
		Example: `  sidecar get com.example.fleet.v1alpha1.devices
  sidecar get com.example.fleet.v1alpha1.devices cluster1 --state pending
  sidecar get com.example.fleet.v1alpha1.devices cluster1 dev-1 -o yaml`,
		Args:              cobra.RangeArgs(1, 3),
		ValidArgsFunction: a.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := keyOf(args, source)
			switch {
			case err != nil:
				return err
			case state != "" && !slices.Contains(states, state):
				return usagef("--state %q is not one of %s", state, strings.Join(states, ", "))
			case len(args) == 3 && state != "":
				return usagef("--state is for lists, not for one resource")
			case len(args) == 3:
				return a.getOne(cmd.Context(), key)
			}
			return a.getAll(cmd.Context(), resource.ListRequest{
				DataType: key.DataType, Cluster: key.Cluster, Source: source, State: resource.SyncState(state), Limit: pageSize,
			})
		},
	}
	sourceFlag(cmd, &source)
	cmd.Flags().StringVar(&state, "state", "", "only those that are pending, published, observed or deleting")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(states, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *cli) getOne(ctx context.Context, key resource.Key) error {
	c := a.client()
	defer c.Close()
	res, err := c.Get(ctx, key)
	if err != nil {
		return err
	}
	return a.printResources(res, []*resource.Resource{res})
}

func (a *cli) getAll(ctx context.Context, req resource.ListRequest) error {
	c := a.client()
	defer c.Close()
	list, err := c.List(ctx, req)
	if err != nil {
		return err
	}
	for next := list.Continue; next != ""; {
		req.Continue = next
		page, err := c.List(ctx, req)
		if err != nil {
			return err
		}
		list.Items = append(list.Items, page.Items...)
		next = page.Continue
	}
	list.Continue = ""
	return a.printResources(list, list.Items)
}
