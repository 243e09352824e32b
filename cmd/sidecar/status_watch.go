package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// How often a watched status is asked for.
const (
	defaultEvery = 2 * time.Second
	minEvery     = 100 * time.Millisecond
)

// snapshot is a status with the queues.
type snapshot struct {
	*resource.Status
	Queues []resource.QueueStats `json:"queues"`
}

func ask(ctx context.Context, c *client.Client) (s snapshot, err error) {
	if s.Status, err = c.Status(ctx); err != nil {
		return s, err
	}
	s.Queues, err = c.Queues(ctx)
	return s, err
}

// watchStatus shows the status until ctx ends. It fails if the sidecar is not
// there to begin with.
func (a *cli) watchStatus(ctx context.Context, c *client.Client, every time.Duration) error {
	ctx, stop := untilSignal(ctx)
	defer stop()
	if _, err := ask(ctx, c); err != nil {
		return err
	}
	show := a.statusPrinter()
	if t := a.live(); t != nil {
		screen, err := t.openCanvas()
		if err != nil {
			return err
		}
		defer screen.close()
		show = statusDrawer(screen)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		asking, cancel := context.WithTimeout(ctx, max(every, time.Second))
		s, err := ask(asking, c)
		cancel()
		if ctx.Err() != nil {
			return nil // interrupted: that is how it ends
		}
		if err := show(s, err); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// statusPrinter writes one status after the other: JSON on a line each, YAML as
// documents, tables with a line between them.
func (a *cli) statusPrinter() func(snapshot, error) error {
	return func(s snapshot, err error) error {
		if err != nil {
			fmt.Fprintf(a.errOut, "sidecar: %s\n", oneLine(err.Error()))
			return nil
		}
		switch a.output {
		case "json":
			return writeJSON(a.out, s, "")
		case "yaml":
			if _, err := io.WriteString(a.out, "---\n"); err != nil {
				return err
			}
			return writeYAML(a.out, s)
		}
		for _, line := range append(statusLines(s), "") {
			if _, err := fmt.Fprintln(a.out, line); err != nil {
				return err
			}
		}
		return nil
	}
}

// statusDrawer draws one status over the other; while there is none the last
// stays, under what is wrong.
func statusDrawer(screen *canvas) func(snapshot, error) error {
	var lines []string
	return func(s snapshot, err error) error {
		head := time.Now().Format("15:04:05")
		if err != nil {
			head += "  " + clean(oneLine(err.Error()))
		} else {
			lines = statusLines(s)
		}
		return screen.draw(append([]string{head, ""}, lines...))
	}
}

func statusLines(s snapshot) []string {
	return aligned(func(w io.Writer) {
		writeStatus(w, s.Status)
		for _, q := range s.Queues {
			row(w, "Queue "+q.Name, fmt.Sprintf("%d ready, %d in flight, %d retrying, %d dead, oldest %s",
				q.Depth, q.InFlight, q.Retrying, q.Dead, (time.Duration(q.OldestSeconds)*time.Second).String()))
		}
	})
}
