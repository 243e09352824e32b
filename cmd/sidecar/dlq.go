package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

func newDLQCommand(a *cli) *cobra.Command {
	d := &dlq{cli: a}
	cmd := &cobra.Command{
		Use:   "dlq",
		Short: "List, show, retry or drop the keys that were given up",
		Long: `List, show, retry or drop the dead keys of a work queue: those that the app gave
up ("retry": false), and those that failed queue.retryMax times. A change of the
resource brings a dead key back by itself. KEY is DATATYPE/CLUSTER/ID.`,
		Example: `  sidecar dlq list
  sidecar dlq show com.example.fleet.v1alpha1.devices/cluster1/dev-1
  sidecar dlq retry --all`,
		Args: cobra.NoArgs,
	}
	cmd.PersistentFlags().StringVar(&d.queue, "queue", "resources", "the work queue")
	_ = cmd.RegisterFlagCompletionFunc("queue", cobra.FixedCompletions([]string{"resources"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.AddCommand(d.listCommand(), d.showCommand(),
		d.changeCommand("retry", "Put dead keys back to work", "retried", (*client.Client).RetryDead),
		d.changeCommand("drop", "Take dead keys for done: they come back when they change", "dropped", (*client.Client).DropDead))
	return cmd
}

// dlq is what the subcommands share.
type dlq struct {
	*cli
	queue string
}

func (d *dlq) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the dead keys",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c := d.client()
			defer c.Close()
			dead, err := c.Dead(cmd.Context(), d.queue)
			if err != nil {
				return err
			}
			return d.print(map[string]any{"items": dead}, func(w io.Writer, wide bool) { writeDead(w, dead, wide) })
		},
	}
}

func writeDead(w io.Writer, dead []resource.DeadItem, wide bool) {
	if len(dead) == 0 {
		row(w, "nothing was given up")
		return
	}
	head := []string{"CLUSTER", "ID", "ATTEMPTS", "SINCE", "ERROR"}
	if wide {
		head = append([]string{"DATATYPE", "SOURCE"}, head...)
	}
	row(w, head...)
	for _, item := range dead {
		cells := []string{item.Key.Cluster, item.Key.ID, number(int64(item.Attempts)), age(&item.Since), orDash(item.Error)}
		if wide {
			cells = append([]string{string(item.Key.DataType), item.Key.Source}, cells...)
		}
		row(w, cells...)
	}
}

// deadObject is a dead key with its resource; null if that has gone.
type deadObject struct {
	resource.DeadItem
	Object *resource.Resource `json:"object"`
}

func (d *dlq) showCommand() *cobra.Command {
	var source string
	cmd := &cobra.Command{
		Use:               "show KEY",
		Short:             "Show a dead key and, with -o json or yaml, its resource as it is now",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: d.completeDead,
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := parseKey(args[0], source)
			if err != nil {
				return err
			}
			shown, err := d.find(cmd.Context(), key)
			if err != nil {
				return err
			}
			return d.print(shown, func(w io.Writer, _ bool) { shown.write(w) })
		},
	}
	sourceFlag(cmd, &source)
	return cmd
}

func (d *dlq) find(ctx context.Context, key resource.Key) (*deadObject, error) {
	c := d.client()
	defer c.Close()
	dead, err := c.Dead(ctx, d.queue)
	if err != nil {
		return nil, err
	}
	for _, item := range dead {
		want := key
		if want.Source == "" {
			want.Source = item.Key.Source
		}
		if want != item.Key {
			continue
		}
		object, err := c.Get(ctx, item.Key)
		if err != nil && resource.CodeOf(err) != resource.NotFound {
			return nil, err
		}
		return &deadObject{item, object}, nil
	}
	return nil, errors.New(keyText(key) + " is not among the dead keys; 'sidecar dlq list' shows them")
}

func (o *deadObject) write(w io.Writer) {
	row(w, "Key", keyText(o.Key))
	row(w, "Source", o.Key.Source)
	row(w, "Reasons", strings.Join(o.Reasons, ", "))
	row(w, "Attempts", number(int64(o.Attempts)))
	row(w, "Since", o.Since.Format(time.RFC3339)+", "+age(&o.Since))
	row(w, "Error", orDash(o.Error))
	if o.Object == nil {
		row(w, "Resource", "gone")
		return
	}
	row(w, "Version", number(o.Object.Version))
	row(w, "State", stateOf(o.Object))
	row(w, "Status", statusOf(o.Object))
}

// changeCommand is retry or drop.
func (d *dlq) changeCommand(name, short, done string, do func(*client.Client, context.Context, resource.RequeueRequest) (int, error)) *cobra.Command {
	var source string
	var all bool
	cmd := &cobra.Command{
		Use:               name + " (--all | KEY)",
		Short:             short,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: d.completeDead,
		RunE: func(cmd *cobra.Command, args []string) error {
			req, err := requeueRequest(append([]string{d.queue}, args...), all, source)
			if err != nil {
				return err
			}
			c := d.client()
			defer c.Close()
			n, err := do(c, cmd.Context(), req)
			if err != nil {
				return err
			}
			return d.say(map[string]int{done: n}, "%d %s", n, done)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every dead key")
	sourceFlag(cmd, &source)
	return cmd
}

// completeDead completes KEY by the dead keys.
func (d *dlq) completeDead(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(commandContext(cmd), completeTimeout)
	defer cancel()
	c := d.client()
	defer c.Close()
	dead, err := c.Dead(ctx, d.queue)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []string
	for _, item := range dead {
		found = append(found, keyText(item.Key))
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// keyText is the key in one argument, as parseKey reads it.
func keyText(key resource.Key) string {
	return fmt.Sprintf("%s/%s/%s", key.DataType, key.Cluster, key.ID)
}
