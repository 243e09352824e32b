package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// What the build says, if it does: -ldflags "-X main.release=v1.2.3 -X main.commit=…".
var release, commit string

// version is the release, or the module's version, or "dev".
func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

// revision is the commit that was built.
func revision() string {
	if commit != "" {
		return commit
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}

// build is what `sidecar version` tells.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and Go version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			output, err := cmd.Flags().GetString("output")
			if err != nil {
				return err
			}
			a := &cli{out: cmd.OutOrStdout(), output: output}
			b := build{version(), revision(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			return a.print(b, func(w io.Writer, _ bool) {
				fmt.Fprintf(w, "sidecar %s\ncommit  %s\ngo      %s %s\n", b.Version, b.Commit, b.Go, b.Platform)
			})
		},
	}
}
