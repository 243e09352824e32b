package main

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// waitFlags are --wait and --timeout of the commands that write.
type waitFlags struct {
	state   string
	timeout time.Duration
	states  []string
	flags   *pflag.FlagSet
}

// mostWait is what the sidecar waits at most.
const mostWait = 10 * time.Minute

func (f *waitFlags) add(cmd *cobra.Command, states ...resource.WaitFor) {
	f.flags = cmd.Flags()
	for _, state := range states {
		f.states = append(f.states, string(state))
	}
	cmd.Flags().StringVar(&f.state, "wait", "", "answer when it is "+strings.Join(f.states, " or "))
	cmd.Flags().DurationVar(&f.timeout, "timeout", 30*time.Second, "how long to wait, at most 10m")
	_ = cmd.RegisterFlagCompletionFunc("wait", cobra.FixedCompletions(f.states, cobra.ShellCompDirectiveNoFileComp))
}

func (f *waitFlags) options() ([]client.Option, error) {
	switch {
	case f.state == "" && f.flags.Changed("timeout"):
		return nil, usagef("--timeout goes with --wait only")
	case f.state == "":
		return nil, nil
	case !slices.Contains(f.states, f.state):
		return nil, usagef("--wait %q is not %s", f.state, strings.Join(f.states, " or "))
	case f.timeout <= 0 || f.timeout > mostWait:
		return nil, usagef("--timeout must be above 0 and at most %s", mostWait)
	}
	return []client.Option{client.WaitFor(resource.WaitFor(f.state), f.timeout)}, nil
}
