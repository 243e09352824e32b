package main

import (
	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/resource"
)

func newRequeueCommand(a *cli) *cobra.Command {
	var source string
	var all bool
	cmd := &cobra.Command{
		Use:   "requeue QUEUE (--all | KEY)",
		Short: "Put resources into a work queue again",
		Long: `Put one resource, or all, into a work queue again: for an app that has lost its
memory of them. KEY is DATATYPE/CLUSTER/ID.`,
		Example: `  sidecar requeue resources --all
  sidecar requeue resources com.example.fleet.v1alpha1.devices/cluster1/dev-1`,
		Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return []string{"resources"}, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			req, err := requeueRequest(args, all, source)
			if err != nil {
				return err
			}
			c := a.client()
			defer c.Close()
			n, err := c.Requeue(cmd.Context(), req)
			if err != nil {
				return err
			}
			return a.say(map[string]int{"requeued": n}, "%d requeued", n)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every resource")
	sourceFlag(cmd, &source)
	return cmd
}

func requeueRequest(args []string, all bool, source string) (resource.RequeueRequest, error) {
	req := resource.RequeueRequest{Queue: args[0], All: all}
	if all == (len(args) == 2) {
		return req, usagef("give either --all or a key, DATATYPE/CLUSTER/ID")
	}
	if all {
		return req, nil
	}
	key, err := parseKey(args[1], source)
	req.Key = &key
	return req, err
}
