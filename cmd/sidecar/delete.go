package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/resource"
)

type deleteFlags struct {
	cluster, source string
	force           bool
	wait            waitFlags
}

func newDeleteCommand(a *cli) *cobra.Command {
	var f deleteFlags
	cmd := &cobra.Command{
		Use:   "delete (DATATYPE CLUSTER ID | --cluster CLUSTER --force)",
		Short: "Delete a resource, or confirm its deletion (at an agent)",
		Long: `At a source: ask for the deletion of a resource. It is gone when its agent has
confirmed, which --wait observed waits for; --force forgets it at once and goes
on telling the agent. With --cluster and --force every resource of a cluster
that is no more is forgotten.

At an agent: say that everything is cleaned up after a resource whose source has
deleted it.`,
		Example: `  sidecar delete com.example.fleet.v1alpha1.devices cluster1 dev-1 --wait observed
  sidecar delete --cluster cluster1 --force`,
		Args: func(_ *cobra.Command, args []string) error { return f.checkArgs(args) },
		ValidArgsFunction: func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			if f.cluster != "" {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return a.completeKey(cmd, args, toComplete)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.cluster != "" {
				return a.deleteCluster(cmd.Context(), f.cluster)
			}
			key, err := keyOf(args, f.source)
			if err != nil {
				return err
			}
			return a.delete(cmd.Context(), key, &f)
		},
	}
	cmd.Flags().StringVar(&f.cluster, "cluster", "", "forget every resource of this cluster; needs --force")
	cmd.Flags().BoolVar(&f.force, "force", false, "forget at once, without the agent's word")
	sourceFlag(cmd, &f.source)
	f.wait.add(cmd, resource.WaitPublished, resource.WaitObserved)
	return cmd
}

func (f *deleteFlags) checkArgs(args []string) error {
	switch {
	case f.cluster == "" && len(args) != 3:
		return usagef("delete takes DATATYPE CLUSTER ID, or --cluster with --force; there are %d arguments", len(args))
	case f.cluster == "":
		return nil
	case len(args) > 0:
		return usagef("--cluster takes no arguments beside it")
	case !f.force:
		return usagef("--cluster forgets every resource of the cluster, and needs --force")
	case f.wait.state != "":
		return usagef("--cluster is done at once: --wait has no meaning")
	}
	if err := resource.ValidateName("cluster", f.cluster); err != nil {
		return usageError{err}
	}
	return nil
}

func (a *cli) delete(ctx context.Context, key resource.Key, f *deleteFlags) error {
	options, err := f.wait.options()
	if err != nil {
		return err
	}
	c := a.client()
	defer c.Close()
	res, done, err := c.Delete(ctx, resource.DeleteRequest{Key: key, Force: f.force}, options...)
	switch {
	case err != nil:
		return err
	case done:
		return a.say(struct{}{}, "%s is gone", key.ID)
	}
	return a.say(res, "%s is deleting: its agent has to confirm", key.ID)
}

func (a *cli) deleteCluster(ctx context.Context, cluster string) error {
	c := a.client()
	defer c.Close()
	deleted, err := c.DeleteCluster(ctx, cluster)
	if err != nil {
		return err
	}
	return a.say(map[string]int{"deleted": deleted}, "%d resources of %s are forgotten", deleted, cluster)
}
