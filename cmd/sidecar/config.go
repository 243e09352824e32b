package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/config"
)

func newConfigCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "config",
		Short: "Work with configuration files",
		Args:  cobra.NoArgs,
	}
	command.AddCommand(newConfigCheckCommand())
	return command
}

func newConfigCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration file: every error with its line",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := config.Load(args[0])
			var faults config.Errors
			if errors.As(err, &faults) {
				for _, fault := range faults {
					fmt.Fprintln(cmd.ErrOrStderr(), fault)
				}
				return fmt.Errorf("%s has %d error(s)", args[0], len(faults))
			}
			if err != nil {
				return err
			}
			for _, warning := range cfg.Warnings {
				fmt.Fprintln(cmd.OutOrStdout(), "warning: "+warning)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is valid\n", args[0])
			return nil
		},
	}
}
