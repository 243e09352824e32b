package main

import "github.com/spf13/cobra"

// commands are the constructors of every command, in the order of the help.
var commands = []func() *cobra.Command{
	newRunCommand,
	newDemoCommand,
	newBrokerCommand,
	newConfigCommand,
	newRestoreCommand,
	newKubeconfigCommand,
	newVersionCommand,
}

// clientCommands are those that call a sidecar that is running.
var clientCommands = []func(*cli) *cobra.Command{
	newStatusCommand,
	newGetCommand,
	newPutCommand,
	newApplyCommand,
	newSetStatusCommand,
	newDeleteCommand,
	newWatchCommand,
	newResyncCommand,
	newSyncedCommand,
	newRequeueCommand,
	newDLQCommand,
	newReadyCommand,
	newBackupCommand,
	newDoctorCommand,
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "sidecar",
		Short: "The OCM resource protocol over MQTT, for controllers in any language",
		Long: `The OCM resource protocol over MQTT, for controllers in any language.

The commands that show and change resources are clients of a sidecar that is
running, over its Unix socket: --socket, else $SIDECAR_SOCKET, else
` + defaultSocket + `. With --server they call its TCP listener
(api.listen) instead, with --ca-file and --token-file.

Exit codes: 0 done, 1 failed, 2 wrong use.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	c := newCLI(root)
	for _, newCommand := range commands {
		root.AddCommand(prepare(newCommand()))
	}
	for _, newCommand := range clientCommands {
		root.AddCommand(prepare(c.completeFlags(newCommand(c))))
	}
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			prepare(cmd)
		}
	}
	return root
}
