package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
)

func newBackupCommand(a *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the store of a sidecar while it runs",
		Long: `Copy the store of a running sidecar into FILE, as it is at one moment: every
call that was answered before is in it. The sidecar goes on meanwhile. FILE is
readable by its owner only, and is replaced as a whole or not at all; - is the
standard output. 'sidecar restore' puts it back.

The backup holds specs, statuses and what is still to be told; it holds no
token, key or certificate.`,
		Example: `  sidecar backup /backups/hub1
  kubectl exec POD -c sidecar -- /sidecar backup - > hub1.backup`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c := a.client()
			defer c.Close()
			if args[0] == "-" {
				_, err := c.Backup(cmd.Context(), a.out)
				return err
			}
			n, err := backupFile(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return a.say(map[string]any{"file": args[0], "bytes": n}, "%s: %d bytes", args[0], n)
		},
	}
}

// backupFile writes a backup beside its place, and moves it there once all of
// it is on disk.
func backupFile(ctx context.Context, c *client.Client, path string) (n int64, err error) {
	folder := filepath.Dir(path)
	f, err := os.CreateTemp(folder, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	n, err = c.Backup(ctx, f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return n, err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return n, err
	}
	return n, syncFolder(folder)
}

// syncFolder makes a rename durable, where the file system can.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	defer f.Close()
	_ = f.Sync() // some have no such thing
	return nil
}
