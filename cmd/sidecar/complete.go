package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
	return a.held(cmd, resource.ListRequest{DataType: key.DataType, Cluster: key.Cluster}, parts[len(args)]), none
}

// held is a part of the resources that the sidecar holds: each value once.
func (a *cli) held(cmd *cobra.Command, req resource.ListRequest, part func(*resource.Resource) string) (found []string) {
	ctx, cancel := context.WithTimeout(commandContext(cmd), completeTimeout)
	defer cancel()
	c := a.client()
	defer c.Close()
	req.Limit = pageSize
	list, err := c.List(ctx, req)
	if err != nil {
		return nil
	}
	for _, res := range list.Items {
		found = append(found, part(res))
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// completeFlags completes --cluster and --source, where a command has them, by
// what the sidecar holds.
func (a *cli) completeFlags(cmd *cobra.Command) *cobra.Command {
	for name, part := range map[string]func(*resource.Resource) string{
		"cluster": func(res *resource.Resource) string { return res.Cluster },
		"source":  func(res *resource.Resource) string { return res.Source },
	} {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
				return a.held(cmd, resource.ListRequest{}, part), cobra.ShellCompDirectiveNoFileComp
			})
		}
	}
	for _, sub := range cmd.Commands() {
		a.completeFlags(sub)
	}
	return cmd
}

// namesFile tells whether the value of a flag is a file's name.
func namesFile(flag *pflag.Flag) bool {
	return slices.Contains([]string{"config", "filename", "metadata", "socket"}, flag.Name) || strings.HasSuffix(flag.Name, "file")
}

// completeNoFiles keeps a shell from offering files for flags and arguments that
// are none, and have no completion of their own.
func completeNoFiles(cmd *cobra.Command) {
	if cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 && !strings.Contains(cmd.Use, " FILE") {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		if _, own := cmd.GetFlagCompletionFunc(flag.Name); !own && !namesFile(flag) {
			_ = cmd.RegisterFlagCompletionFunc(flag.Name, cobra.NoFileCompletions)
		}
	})
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
