package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/testbroker"
)

func newBrokerCommand() *cobra.Command {
	var listen string
	command := &cobra.Command{
		Use:   "broker",
		Short: "Run the embedded MQTT broker alone, for trying things",
		Long: `Run the embedded MQTT 5 broker until interrupted. It keeps nothing on disk,
knows no passwords, and is meant for trying things on one machine.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			broker, err := testbroker.Start(testbroker.Options{Listen: listen, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "broker listens on %s\n", broker.URL())
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			<-ctx.Done()
			return broker.Close()
		},
	}
	command.Flags().StringVar(&listen, "listen", "127.0.0.1:1883", "`ADDRESS` to listen on")
	return command
}
