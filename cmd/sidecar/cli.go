package main

import (
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
)

// defaultSocket is api.socket's default (docs/api.md, "Configuration").
const defaultSocket = "/run/sidecar/sidecar.sock"

// cli is what the client commands share: the global flags and the streams.
type cli struct {
	in     io.Reader
	out    io.Writer
	errOut io.Writer
	socket string // --socket
	output string // --output
}

// newCLI adds the global flags to the root command.
func newCLI(root *cobra.Command) *cli {
	c := &cli{}
	flags := root.PersistentFlags()
	flags.StringVar(&c.socket, "socket", socketFromEnvironment(), "the sidecar's Unix socket; $SIDECAR_SOCKET is its default")
	flags.StringVarP(&c.output, "output", "o", "table", strings.Join(outputs, ", "))
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp))
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		c.in, c.out, c.errOut = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
		return c.checkOutput()
	}
	return c
}

func socketFromEnvironment() string {
	if socket := os.Getenv("SIDECAR_SOCKET"); socket != "" {
		return socket
	}
	return defaultSocket
}

func (c *cli) checkOutput() error {
	if !slices.Contains(outputs, c.output) {
		return usagef("--output %q is not one of %s", c.output, strings.Join(outputs, ", "))
	}
	return nil
}

// client is a client of the sidecar that the flags name.
func (c *cli) client() *client.Client { return client.New(c.socket) }
