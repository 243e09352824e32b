package main

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// waitFlags are --wait and --timeout of the commands that write.
type waitFlags struct {
	state   string
	timeout time.Duration
	states  []string
}

func (f *waitFlags) add(cmd *cobra.Command, states ...resource.WaitFor) {
	for _, state := range states {
		f.states = append(f.states, string(state))
	}
	cmd.Flags().StringVar(&f.state, "wait", "", "answer when it is "+strings.Join(f.states, " or "))
	cmd.Flags().DurationVar(&f.timeout, "timeout", 30*time.Second, "how long to wait, at most 10m")
	_ = cmd.RegisterFlagCompletionFunc("wait", cobra.FixedCompletions(f.states, cobra.ShellCompDirectiveNoFileComp))
}

func (f *waitFlags) options() ([]client.Option, error) {
	switch {
	case f.state == "":
		return nil, nil
	case !slices.Contains(f.states, f.state):
		return nil, usagef("--wait %q is not %s", f.state, strings.Join(f.states, " or "))
	case f.timeout <= 0:
		return nil, usagef("--timeout must be above 0")
	}
	return []client.Option{client.WaitFor(resource.WaitFor(f.state), f.timeout)}, nil
}
