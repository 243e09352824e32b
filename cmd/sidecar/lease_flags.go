package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// pollTime is how long a worker's question for work stays open.
const pollTime = 30 * time.Second

// maxConcurrency bounds the commands that run at a time.
const maxConcurrency = 256

type leaseFlags struct {
	request          resource.LeaseRequest
	dataTypes        []string
	concurrency      int
	timeout, grace   time.Duration
	confirmDeletes   bool
	once, untilEmpty bool
	done             bool
}

func (f *leaseFlags) add(cmd *cobra.Command, a *cli) {
	flags := cmd.Flags()
	flags.StringVar(&f.request.Queue, "queue", "resources", "the work queue")
	flags.IntVar(&f.request.Max, "max", 0, "items to take at a time, up to 1000; 1 by default, with COMMAND as many as can run")
	flags.DurationVar(&f.request.Wait, "wait", 0, "how long to wait for the first item, up to 1m: where it is not the default")
	flags.DurationVar(&f.request.LeaseFor, "lease-for", time.Minute, "how long a lease is valid, 1s to 1h; extended while COMMAND runs")
	flags.StringSliceVar(&f.dataTypes, "data-type", nil, "only this data type; repeats, or takes commas")
	flags.IntVar(&f.concurrency, "concurrency", 4, "commands that run at a time")
	flags.DurationVar(&f.timeout, "timeout", 0, "end a COMMAND that takes longer; it has failed then (0: no limit)")
	flags.DurationVar(&f.grace, "grace", 20*time.Second, "for the commands that run at SIGTERM")
	flags.BoolVar(&f.confirmDeletes, "confirm-deletes", false, "exit code 0 confirms a deletion (at an agent)")
	flags.BoolVar(&f.once, "once", false, "end after one lease; exit code 1 if a COMMAND failed")
	flags.BoolVar(&f.untilEmpty, "exit-when-empty", false, "end when nothing is ready; exit code 1 if a COMMAND failed")
	flags.BoolVar(&f.done, "done", false, "without COMMAND: answer that the items are done")
	cmd.MarkFlagsMutuallyExclusive("once", "exit-when-empty")
	_ = cmd.RegisterFlagCompletionFunc("queue", cobra.FixedCompletions([]string{"resources"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("data-type", func(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		return a.completeKey(cmd, nil, toComplete)
	})
}

// check settles what was left out, and refuses what has no meaning.
func (f *leaseFlags) check(cmd *cobra.Command, hasCommand bool) error {
	for _, name := range []string{"concurrency", "timeout", "grace", "confirm-deletes", "once", "exit-when-empty"} {
		if !hasCommand && cmd.Flags().Changed(name) {
			return usagef("--%s needs a command: sidecar lease --%s -- COMMAND", name, name)
		}
	}
	r := &f.request
	switch {
	case hasCommand && f.done:
		return usagef("--done is for leases without a command: with one, its exit code is the answer")
	case f.concurrency < 1 || f.concurrency > maxConcurrency:
		return usagef("--concurrency must be from 1 to %d", maxConcurrency)
	case cmd.Flags().Changed("max") && (r.Max < 1 || r.Max > 1000):
		return usagef("--max must be from 1 to 1000")
	case r.Wait < 0 || r.Wait > time.Minute:
		return usagef("--wait must be from 0s to 1m")
	case r.LeaseFor < time.Second || r.LeaseFor > time.Hour:
		return usagef("--lease-for must be from 1s to 1h")
	case f.timeout < 0 || f.grace < 0:
		return usagef("--timeout and --grace must not be below 0")
	}
	f.settle(cmd, hasCommand)
	return f.parseDataTypes()
}

func (f *leaseFlags) settle(cmd *cobra.Command, hasCommand bool) {
	if f.request.Max == 0 {
		f.request.Max = 1
		if hasCommand {
			f.request.Max = f.concurrency
		}
	}
	if hasCommand && !f.once && !f.untilEmpty && !cmd.Flags().Changed("wait") {
		f.request.Wait = pollTime
	}
}

func (f *leaseFlags) parseDataTypes() error {
	for _, text := range f.dataTypes {
		dataType, err := resource.ParseDataType(text)
		if err != nil {
			return usageError{err}
		}
		f.request.DataTypes = append(f.request.DataTypes, dataType)
	}
	return nil
}
