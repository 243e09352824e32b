package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/config"
)

func newRunCommand() *cobra.Command {
	var path string
	command := &cobra.Command{
		Use:   "run --config FILE",
		Short: "Run the sidecar: one broker connection, one role",
		Long: `Run the sidecar that FILE describes, until it gets SIGTERM or SIGINT or
POST /v1/shutdown. It then publishes what is pending, for at most
shutdownGrace, and exits 0; a second signal ends it at once.

FILE and every file that it names are watched: what changes is in effect
within seconds, without a restart. SIGHUP reads them at once.`,
		Example:           "  sidecar run --config /etc/sidecar/config.yaml",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(path)
			if err != nil {
				return err
			}
			saveMemory()
			app, err := NewApp(cfg, path)
			if err != nil {
				return err
			}
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			endReloads := reloadOnHangup(app)
			defer endReloads()
			return app.Run(ctx)
		},
	}
	command.Flags().StringVarP(&path, "config", "c", "", "configuration `FILE` (required)")
	_ = command.MarkFlagRequired("config")
	_ = command.MarkFlagFilename("config", "yaml", "yml", "json")
	return command
}

// reloadOnHangup reads the configuration again at every SIGHUP, until the
// returned function is called.
func reloadOnHangup(app *App) (end func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-hangups:
				app.Reload()
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(done)
	}
}
