package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/config"
	"github.com/pillion-dev/pillion/pkg/localapi/client"
)

// The results of a check.
const (
	resultOK   = "OK"
	resultWarn = "WARN" // it works, but look at it
	resultFail = "FAIL"
)

// diagnosis is the outcome of one check.
type diagnosis struct {
	Check  string `json:"check"`
	Result string `json:"result"`
	Detail string `json:"detail"` // what was found, and what to do
}

// doctor collects diagnoses. It reads, and changes nothing.
type doctor struct {
	cli    *cli
	config *config.Config
	found  []diagnosis
}

func newDoctorCommand(a *cli) *cobra.Command {
	var path string
	var timeout time.Duration
	command := &cobra.Command{
		Use:   "doctor [--config FILE]",
		Short: "Look for what keeps a sidecar from working",
		Long: `Look for what keeps a sidecar from working: its configuration, socket, state
folder and clock, the way to each broker (name, port, TLS, credentials, the
permission for each subscription), and whether it runs and is ready. Each line
is OK, WARN or FAIL and says what to do; the exit code is 1 if one is FAIL.

It changes nothing, and connects to the broker with a client id of its own,
ID-doctor-…, which the broker's rules must let in as they do the sidecar's.
Whether the sidecar may publish cannot be seen without publishing. Run it as the
sidecar's user. Without --config it takes the file of the sidecar that answers
on the socket.`,
		Example: `  sidecar doctor --config /etc/sidecar/config.yaml
  sidecar doctor -o json --timeout 30s`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return usagef("--timeout must be above 0")
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			d := &doctor{cli: a}
			d.examine(ctx, path, cmd.Flags().Changed("socket"))
			return d.report()
		},
	}
	command.Flags().StringVarP(&path, "config", "c", "", "configuration `FILE` of the sidecar")
	command.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "how long all of it may take")
	_ = command.MarkFlagFilename("config", "yaml", "yml", "json")
	return command
}

func (d *doctor) add(check, result, format string, args ...any) {
	d.found = append(d.found, diagnosis{check, result, oneLine(fmt.Sprintf(format, args...))})
}

// examine makes all checks. What depends on a configuration is left out if
// there is none.
func (d *doctor) examine(ctx context.Context, path string, socketGiven bool) {
	d.checkConfig(ctx, path)
	if d.config != nil && !socketGiven && d.cli.remote.Server == "" {
		d.cli.socket = d.config.API.Socket
	}
	if d.config != nil {
		d.checkSocket()
		d.checkState()
	}
	d.checkClock()
	d.checkSidecar(ctx)
	if d.config != nil {
		d.checkListener(ctx)
		d.checkBrokers(ctx)
	}
}

// checkConfig reads the configuration: every fault and every warning.
func (d *doctor) checkConfig(ctx context.Context, path string) {
	if path == "" {
		if path = d.configInUse(ctx); path == "" {
			d.add("config", resultFail, "no sidecar answers that could say which file it uses: give it with --config")
			return
		}
	}
	cfg, err := config.Load(path)
	var faults config.Errors
	switch {
	case errors.As(err, &faults):
		for _, fault := range faults {
			d.add("config", resultFail, "%s", fault)
		}
		return
	case err != nil:
		d.add("config", resultFail, "%s", err)
		return
	}
	d.config = cfg
	d.add("config", resultOK, "%s is valid: %s", path, ownerOf(cfg))
	for _, warning := range cfg.Warnings {
		d.add("config", resultWarn, "%s", warning)
	}
}

func (d *doctor) configInUse(ctx context.Context) string {
	c := d.client()
	defer c.Close()
	status, err := c.Status(ctx)
	if err != nil {
		return ""
	}
	return status.Config.File
}

func (d *doctor) client() *client.Client { return d.cli.client() }

func (d *doctor) failed() int {
	n := 0
	for _, f := range d.found {
		if f.Result == resultFail {
			n++
		}
	}
	return n
}

// report prints all diagnoses, and fails if one does.
func (d *doctor) report() error {
	failed := d.failed()
	value := map[string]any{"ok": failed == 0, "checks": slices.Clip(d.found)}
	err := d.cli.print(value, func(w io.Writer, _ bool) {
		for _, f := range d.found {
			row(w, f.Result, f.Check, f.Detail)
		}
	})
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d of %d checks failed", failed, len(d.found))
	}
	return err
}
