package main

import (
	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/resource"
)

func newResyncCommand(a *cli) *cobra.Command {
	var req resource.ResyncRequest
	cmd := &cobra.Command{
		Use:   "resync",
		Short: "Ask the other side again",
		Long: `Ask the other side again: a source asks agents for status, an agent asks sources
for specs. The sidecar does so by itself after each connect; this is for when
something seems to be missing.

--allow-deletes lets a source answer with deletions that were held back because
there were more than resync.maxDeletes; 'sidecar status' shows them. If it shows
none, the next request of each cluster that comes within 10 minutes passes.`,
		Example: `  sidecar resync
  sidecar resync --cluster cluster1
  sidecar resync --allow-deletes`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkResync(req); err != nil {
				return err
			}
			c := a.client()
			defer c.Close()
			if err := c.Resync(cmd.Context(), req); err != nil {
				return err
			}
			return a.say(struct{}{}, "asked")
		},
	}
	cmd.Flags().StringVar(&req.Cluster, "cluster", "", "ask this cluster only (at a source)")
	cmd.Flags().StringVar(&req.Source, "source", "", "ask this source only (at an agent)")
	cmd.Flags().BoolVar(&req.AllowDeletes, "allow-deletes", false, "let held deletions go (at a source)")
	cmd.MarkFlagsMutuallyExclusive("cluster", "source")
	cmd.MarkFlagsMutuallyExclusive("allow-deletes", "source")
	return cmd
}

func checkResync(req resource.ResyncRequest) error {
	for what, name := range map[string]string{"cluster": req.Cluster, "source": req.Source} {
		if name == "" {
			continue
		}
		if err := resource.ValidateName(what, name); err != nil {
			return usageError{err}
		}
	}
	return nil
}

func newSyncedCommand(a *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "synced [DATATYPE [CLUSTER]]",
		Short: "Say that everything has been declared (at a source)",
		Long: `Say that every resource has been declared: all, those of a data type, or those of
a data type on one cluster.

Until then a source whose store is new never tells an agent to delete what the
source does not know. It is remembered; 'sidecar status' shows it.`,
		Example: `  sidecar synced
  sidecar synced com.example.fleet.v1alpha1.devices cluster1`,
		Args:              cobra.MaximumNArgs(2),
		ValidArgsFunction: a.completeScope,
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := keyOf(args, "")
			if err != nil {
				return err
			}
			scope := resource.Scope{DataType: key.DataType, Cluster: key.Cluster}
			c := a.client()
			defer c.Close()
			if err := c.Synced(cmd.Context(), scope); err != nil {
				return err
			}
			return a.say(scope, "noted: %s has been declared", scopeText(scope))
		},
	}
}
