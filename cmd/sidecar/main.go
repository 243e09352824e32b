// Command sidecar gives a controller in any language the resource protocol of
// Open Cluster Management, over a local HTTP API. `sidecar --help` is the
// guide.
//
// One file per group of commands; app.go is the sidecar itself.
package main

import (
	"context"
	"io"
	"os"
)

func main() {
	os.Exit(Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Main runs one command line and returns its exit code: 0 done, 1 failed, 2
// wrong use.
func Main(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	cmd, err := root.ExecuteContextC(ctx)
	return exitCode(cmd, err)
}
