package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// completeTimeout bounds what a shell waits for at the press of a key.
const completeTimeout = time.Second

// completeKey completes DATATYPE CLUSTER ID by what the sidecar holds.
func (a *cli) completeKey(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	const none = cobra.ShellCompDirectiveNoFileComp
	parts := []func(*resource.Resource) string{
		func(res *resource.Resource) string { return string(res.DataType) },
		func(res *resource.Resource) string { return res.Cluster },
		func(res *resource.Resource) string { return res.ID },
	}
	key, err := keyOf(args[:min(len(args), len(parts))], "")
	if err != nil || len(args) >= len(parts) {
		return nil, none
	}
	ctx, cancel := context.WithTimeout(commandContext(cmd), completeTimeout)
	defer cancel()
	c := a.client()
	defer c.Close()
	list, err := c.List(ctx, resource.ListRequest{DataType: key.DataType, Cluster: key.Cluster, Limit: pageSize})
	if err != nil {
		return nil, none
	}
	var found []string
	for _, res := range list.Items {
		found = append(found, parts[len(args)](res))
	}
	slices.Sort(found)
	return slices.Compact(found), none
}

// completeScope completes DATATYPE CLUSTER.
func (a *cli) completeScope(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) >= 2 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeKey(cmd, args, toComplete)
}

// commandContext is there even where cobra has set none.
func commandContext(cmd *cobra.Command) context.Context {
	if ctx := cmd.Context(); ctx != nil {
		return ctx
	}
	return context.Background()
}
