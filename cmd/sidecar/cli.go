package main

import (
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
	remote client.Remote
	output string // --output
}

// newCLI adds the global flags to the root command.
func newCLI(root *cobra.Command) *cli {
	c := &cli{}
	flags := root.PersistentFlags()
	flags.StringVar(&c.socket, "socket", socketFromEnvironment(), "the sidecar's Unix socket; $SIDECAR_SOCKET is its default")
	flags.StringVar(&c.remote.Server, "server", os.Getenv("SIDECAR_SERVER"), "a sidecar's TCP listener, https://`HOST:PORT`, in place of the socket; $SIDECAR_SERVER")
	flags.StringVar(&c.remote.CAFile, "ca-file", os.Getenv("SIDECAR_CA_FILE"), "PEM `FILE` of the CAs to trust with --server; $SIDECAR_CA_FILE")
	flags.StringVar(&c.remote.TokenFile, "token-file", os.Getenv("SIDECAR_TOKEN_FILE"), "`FILE` with the token for --server; $SIDECAR_TOKEN_FILE")
	flags.StringVarP(&c.output, "output", "o", "table", strings.Join(outputs, ", "))
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp))
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		c.in, c.out, c.errOut = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
		if err := c.checkTarget(flags); err != nil {
			return err
		}
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

// checkTarget decides between socket and server: a flag stands before the
// environment.
func (c *cli) checkTarget(flags *pflag.FlagSet) error {
	if !flags.Changed("socket") {
		return nil
	}
	if flags.Changed("server") {
		return usagef("--socket and --server name two sidecars: leave one out")
	}
	c.remote.Server = ""
	return nil
}

// client is a client of the sidecar that flags and environment name.
func (c *cli) client() *client.Client {
	if c.remote.Server != "" {
		return client.NewRemote(c.remote)
	}
	return client.New(c.socket)
}
