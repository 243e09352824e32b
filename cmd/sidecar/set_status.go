package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/resource"
)

type setStatusFlags struct {
	file, source string
	version      int64
	wait         waitFlags
}

func newSetStatusCommand(a *cli) *cobra.Command {
	var f setStatusFlags
	cmd := &cobra.Command{
		Use:   "set-status DATATYPE CLUSTER ID -f FILE|-",
		Short: "Report the status of a resource (at an agent)",
		Long: `Report the status of a resource. The file is the status, a JSON or YAML object.

--version says which version of the spec it is about; without it, the one that
the sidecar holds.`,
		Example: `  echo '{"ready":true}' | sidecar set-status com.example.fleet.v1alpha1.devices cluster1 dev-1 -f -
  sidecar set-status com.example.fleet.v1alpha1.devices cluster1 dev-1 -f status.yaml --version 3 --wait published`,
		Args:              cobra.ExactArgs(3),
		ValidArgsFunction: a.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := keyOf(args, f.source)
			if err != nil {
				return err
			}
			return a.setStatus(cmd.Context(), key, &f)
		},
	}
	cmd.Flags().StringVarP(&f.file, "filename", "f", "", "the file; - is standard input")
	cmd.Flags().Int64Var(&f.version, "version", 0, "the version that the status is about")
	sourceFlag(cmd, &f.source)
	f.wait.add(cmd, resource.WaitPublished)
	_ = cmd.MarkFlagRequired("filename")
	return cmd
}

func (a *cli) setStatus(ctx context.Context, key resource.Key, f *setStatusFlags) error {
	options, err := f.wait.options()
	if err != nil {
		return err
	}
	if f.version < 0 || f.version > resource.MaxVersion {
		return usagef("--version must be from 1 to %d", resource.MaxVersion)
	}
	status, err := a.readObject(f.file)
	if err != nil {
		return err
	}
	c := a.client()
	defer c.Close()
	res, err := c.SetStatus(ctx, resource.StatusRequest{Key: key, Status: status, Version: f.version}, options...)
	if err != nil {
		return err
	}
	return a.say(res, "%s: status of version %d stored, %s", key.ID, res.StatusVersion, res.Sync.State)
}
