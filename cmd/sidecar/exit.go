package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// runError is an error of a command that was used rightly. All other errors,
// cobra's own among them, are about wrong use.
type runError struct{ error }

func (e runError) Unwrap() error { return e.error }

// usageError is a wrong command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// prepare gives a command and its subcommands the rules of exit codes. A
// command that only groups others is wrong use by itself.
func prepare(cmd *cobra.Command) *cobra.Command {
	run := cmd.RunE
	switch {
	case run != nil:
		cmd.RunE = func(cmd *cobra.Command, args []string) error { return classify(run(cmd, args)) }
	case cmd.HasSubCommands():
		cmd.RunE = func(cmd *cobra.Command, _ []string) error {
			return usagef("a subcommand is missing: %s", subcommands(cmd))
		}
	}
	completeNoFiles(cmd)
	for _, sub := range cmd.Commands() {
		prepare(sub)
	}
	return cmd
}

func subcommands(cmd *cobra.Command) string {
	var names []string
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	return strings.Join(names, ", ")
}

// classify marks the errors of a command's run.
func classify(err error) error {
	var usage usageError
	if err == nil || errors.As(err, &usage) {
		return err
	}
	return runError{err}
}

// exitCode prints an error in one line and returns the code of the process.
func exitCode(cmd *cobra.Command, err error) int {
	var failed runError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &failed):
		fmt.Fprintf(cmd.ErrOrStderr(), "sidecar: %s\n", oneLine(err.Error()))
		return 1
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "sidecar: %s; see '%s --help'\n", oneLine(err.Error()), cmd.CommandPath())
	return 2
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
