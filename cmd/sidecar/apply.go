package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/resource"
)

type applyFlags struct {
	files             []string
	recursive         bool
	prune             bool
	dataType, cluster string
}

func newApplyCommand(a *cli) *cobra.Command {
	var f applyFlags
	cmd := &cobra.Command{
		Use:   "apply -f FILE|FOLDER|-",
		Short: "Declare many resources (at a source)",
		Long: `Declare all resources that files hold: those that are new are made, those that
have changed are changed, and the others are left alone.

Files are YAML with any number of documents, JSON, or NDJSON; of a folder those
that end in .yaml, .yml, .json, .ndjson or .jsonl are read, in the order of their
names. Each document is a resource with dataType, cluster, id and spec, as
'get -o yaml' writes it (what is not the caller's to say is ignored), or a list
of them: an array, or an object with items. With ifMatch, a revision, it is
applied only if nothing has changed since.

An item that fails does not keep the others from being applied; the exit code is
then 1. Files of any size are streamed.

With --prune what the sidecar holds of one data type on one cluster and the
files do not is deleted, if every item is good. All items must be of that scope,
which is then taken as declared completely: see 'sidecar synced --help'. Files in
which there is nothing at all are an error; an empty list, [], deletes all.`,
		Example: `  sidecar apply -f devices.yaml
  sidecar apply -f devices/ --recursive
  generate | sidecar apply -f - --prune --data-type com.example.fleet.v1alpha1.devices --cluster cluster1`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			scope, err := f.scope()
			if err != nil {
				return err
			}
			return a.apply(cmd.Context(), &f, scope)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.files, "filename", "f", nil, "a file or folder; - is standard input; may be repeated")
	flags.BoolVarP(&f.recursive, "recursive", "R", false, "folders with all that is in them")
	flags.BoolVar(&f.prune, "prune", false, "delete what is there and not in the files; needs --data-type and --cluster")
	flags.StringVar(&f.dataType, "data-type", "", "the data type to prune")
	flags.StringVar(&f.cluster, "cluster", "", "the cluster to prune")
	_ = cmd.MarkFlagRequired("filename")
	_ = cmd.RegisterFlagCompletionFunc("data-type", func(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		return a.completeKey(cmd, nil, toComplete)
	})
	_ = cmd.RegisterFlagCompletionFunc("cluster", func(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		return a.completeKey(cmd, []string{f.dataType}, toComplete)
	})
	return cmd
}

// scope is what to prune; nil for nothing.
func (f *applyFlags) scope() (*resource.Scope, error) {
	switch given := f.dataType != "" || f.cluster != ""; {
	case !f.prune && given:
		return nil, usagef("--data-type and --cluster go with --prune")
	case !f.prune:
		return nil, nil
	case f.dataType == "" || f.cluster == "":
		return nil, usagef("--prune needs both --data-type and --cluster: it deletes what is there and not in the files")
	}
	key, err := keyOf([]string{f.dataType, f.cluster}, "")
	return &resource.Scope{DataType: key.DataType, Cluster: key.Cluster}, err
}

func (a *cli) apply(ctx context.Context, f *applyFlags, scope *resource.Scope) error {
	ctx, stop := untilSignal(ctx)
	defer stop()
	files, err := findFiles(f.files, f.recursive)
	if err != nil {
		return err
	}
	c := a.client()
	defer c.Close()
	reading := &reading{files: files, in: a.in, prune: scope != nil}
	endProgress := a.showProgress(reading)
	result, err := applyUntil(ctx, func() (*resource.ApplyResult, error) { return c.ApplyLines(ctx, scope, reading.items) })
	endProgress()
	if err != nil {
		return err
	}
	return a.printApplied(result, &reading.origins)
}

// applyUntil does not wait for an input that gives nothing more once ctx has
// ended: the process ends, and what reads it with the process.
func applyUntil(ctx context.Context, apply func() (*resource.ApplyResult, error)) (*resource.ApplyResult, error) {
	type outcome struct {
		result *resource.ApplyResult
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := apply()
		done <- outcome{result, err}
	}()
	select {
	case o := <-done:
		return o.result, o.err
	case <-ctx.Done():
	}
	select {
	case o := <-done:
		return o.result, o.err
	case <-time.After(applyEnd):
		return nil, errors.New("interrupted; what was sent may have been applied")
	}
}

// applyEnd is how long an apply that was interrupted has to say what became of it.
const applyEnd = time.Second

// appliedError is an item that failed, with the file that it came from.
type appliedError struct {
	File   string        `json:"file,omitempty"`
	Line   int           `json:"line"`
	Key    *resource.Key `json:"key"`
	Code   resource.Code `json:"code"`
	Detail string        `json:"detail"`
}

func (e appliedError) String() string {
	var b strings.Builder
	if e.File != "" {
		fmt.Fprintf(&b, "%s:%d: ", e.File, e.Line)
	}
	if e.Key != nil {
		fmt.Fprintf(&b, "%s on %s: ", orDash(e.Key.ID), orDash(e.Key.Cluster))
	}
	return clean(b.String() + e.Detail)
}

// printApplied writes errors to standard error, and what became of it all.
func (a *cli) printApplied(result *resource.ApplyResult, from *origins) error {
	failed := make([]appliedError, 0, len(result.Errors))
	for _, e := range result.Errors {
		file, line := from.of(e.Line)
		failed = append(failed, appliedError{file, line, e.Key, e.Code, e.Detail})
	}
	if a.output == "table" || a.output == "wide" {
		for _, e := range failed {
			fmt.Fprintln(a.errOut, e)
		}
		if more := result.Failed - len(failed); more > 0 {
			fmt.Fprintf(a.errOut, "… and %d more\n", more)
		}
	}
	err := a.say(appliedValue{*result, failed}, "%d applied, %d unchanged, %d deleted, %d failed", result.Applied, result.Unchanged, result.Deleted, result.Failed)
	if err == nil && result.Failed > 0 {
		err = fmt.Errorf("%d failed%s; correct them and apply again", result.Failed, notPruned(result))
	}
	return err
}

func notPruned(result *resource.ApplyResult) string {
	if result.NotPruned == "" {
		return ""
	}
	return ", and nothing was pruned"
}

// appliedValue is a result whose errors name files.
type appliedValue struct {
	resource.ApplyResult
	failed []appliedError
}

// MarshalJSON writes it with the fields of the result.
func (v appliedValue) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		resource.ApplyResult
		Errors []appliedError `json:"errors"`
	}{v.ApplyResult, v.failed})
}
