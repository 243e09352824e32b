package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/config"
	"github.com/pillion-dev/pillion/pkg/store"
)

func newRestoreCommand() *cobra.Command {
	var path string
	command := &cobra.Command{
		Use:   "restore --config FILE BACKUP",
		Short: "Put a backup in the place of a sidecar's store",
		Long: `Put BACKUP, which 'sidecar backup' has made, in the place of the store in
state.dir. The sidecar must not be running. The backup is checked first: its
checksum, its pages and records, and that it is of the same role and id. The
store before is moved into a folder beside it.

The store is new then: a source tells no agent to delete what it does not know
until its app has declared everything and said 'synced' again, and what was
deleted before the backup is forgotten. Watches begin anew.`,
		Example: "  sidecar restore --config /etc/sidecar/config.yaml /backups/hub1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := config.Load(path)
			if err != nil {
				return err
			}
			r, err := store.Restore(store.RestoreOptions{
				From: args[0], Dir: cfg.State.Dir, Owner: ownerOf(cfg), Forget: notRestored,
			})
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "%s holds %d records of %s\n", cfg.State.Dir, r.Records, args[0])
			if r.Aside != "" {
				fmt.Fprintf(out, "the store before is in %s\n", r.Aside)
			}
			return nil
		},
	}
	command.Flags().StringVarP(&path, "config", "c", "", "configuration `FILE` of the sidecar (required)")
	_ = command.MarkFlagRequired("config")
	_ = command.MarkFlagFilename("config", "yaml", "yml", "json")
	return command
}
