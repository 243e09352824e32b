package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// commands are the constructors of every command, in the order of the help.
var commands = []func() *cobra.Command{
	newRunCommand,
	newDemoCommand,
	newBrokerCommand,
	newConfigCommand,
	newVersionCommand,
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "sidecar",
		Short:         "The OCM resource protocol over MQTT, for controllers in any language",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	for _, newCommand := range commands {
		root.AddCommand(newCommand())
	}
	return root
}

// usageError is a wrong command line.
type usageError struct{ error }

// exitCode prints an error in one line and returns the code of the process.
func exitCode(root *cobra.Command, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(root.ErrOrStderr(), "sidecar:", err)
	var usage usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}
