package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/resource"
)

func newStatusCommand(a *cli) *cobra.Command {
	var watch bool
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how the sidecar is doing",
		Long: `Show the sidecar's role, its broker connection, what it holds and what it waits
for.

With --watch it is shown again and again until interrupted: on a terminal in
place, with the queues, otherwise one after the other. It may be that the sidecar
is away for a while.`,
		Example: `  sidecar status
  sidecar status --watch
  sidecar status -o json`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if every < minEvery || every != defaultEvery && !watch {
				return usagef("--every goes with --watch, and is at least %s", minEvery)
			}
			c := a.client()
			defer c.Close()
			if watch {
				return a.watchStatus(cmd.Context(), c, every)
			}
			status, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(status, func(w io.Writer, _ bool) { writeStatus(w, status) })
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "show it again and again")
	cmd.Flags().DurationVar(&every, "every", defaultEvery, "how often, with --watch")
	return cmd
}

func writeStatus(w io.Writer, s *resource.Status) {
	row(w, "Role", strings.TrimSpace(string(s.Role)+" "+s.ID))
	if s.Cluster != "" {
		row(w, "Cluster", s.Cluster)
	}
	row(w, "Version", s.Version)
	writeConnection(w, &s.Connection)
	row(w, "Resync", fmt.Sprintf("asked %s, last event %s", age(s.Resync.AskedAt), age(s.Resync.LastEventAt)))
	for _, held := range s.Resync.HeldDeletes {
		row(w, "Held deletes", fmt.Sprintf("%d of %s on %s: %s", held.Count, held.DataType, held.Cluster, held.Reason))
	}
	n := s.Resources
	row(w, "Resources", fmt.Sprintf("%d: %d pending, %d published, %d observed, %d deleting", n.Total, n.Pending, n.Published, n.Observed, n.Deleting))
	if s.Role == resource.Source {
		row(w, "Synced", scopes(s.Store.Synced))
	}
	for _, h := range s.Handlers {
		row(w, "Handler "+h.Name, handlerText(h))
	}
	row(w, "Store", fmt.Sprintf("%.1f MiB", float64(s.Store.Bytes)/(1<<20)))
	row(w, "Config", fmt.Sprintf("%s, loaded %s", orDash(s.Config.File), age(&s.Config.LoadedAt)))
	if s.Config.Error != "" {
		row(w, "Config error", s.Config.Error)
	}
}

func handlerText(h resource.HandlerStatus) string {
	state := "up"
	if !h.Up {
		state = "waits for its app"
	}
	text := fmt.Sprintf("%s, %d in flight, %s", state, h.InFlight, h.URL)
	if h.LastError != "" {
		text += ": " + h.LastError
	}
	return text
}

func writeConnection(w io.Writer, c *resource.ConnectionStatus) {
	row(w, "Connection", strings.TrimSpace(c.State+" "+c.Broker)+", since "+age(&c.Since))
	if c.LastError != "" {
		row(w, "Last error", c.LastError)
	}
	if c.NextTry != nil {
		row(w, "Next try", fmt.Sprintf("%s, attempt %d", c.NextTry.Format("15:04:05"), c.Attempt+1))
	}
}

// scopes says what the app has declared completely.
func scopes(synced []resource.Scope) string {
	if len(synced) == 0 {
		return "nothing yet; see 'sidecar synced --help'"
	}
	var said []string
	for _, scope := range synced {
		said = append(said, scopeText(scope))
	}
	return strings.Join(said, ", ")
}

func scopeText(s resource.Scope) string {
	switch {
	case s == resource.Scope{}:
		return "everything"
	case s.Cluster == "":
		return string(s.DataType)
	case s.DataType == "":
		return "everything on " + s.Cluster
	}
	return string(s.DataType) + " on " + s.Cluster
}
