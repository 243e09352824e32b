package main

import (
	"context"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// How often a picture is drawn again: after changes, and when only time passes.
const (
	drawEvery   = 100 * time.Millisecond
	redrawEvery = time.Second
)

// live is the terminal to draw on, if a table goes to one.
func (a *cli) live() *terminal {
	if a.output != "table" && a.output != "wide" {
		return nil
	}
	return terminalOf(a.out)
}

// watchLive shows a watch as a table whose rows change in place.
func (a *cli) watchLive(ctx context.Context, t *terminal, c *client.Client, req resource.WatchRequest) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	screen, err := t.openCanvas()
	if err != nil {
		return err
	}
	defer screen.close()
	events, failed := make(chan resource.WatchEvent), make(chan error, 1)
	go func() { failed <- pump(ctx, c, req, events) }()
	b := newBoard(a.output == "wide", time.Now())
	tick := time.NewTicker(drawEvery)
	defer tick.Stop()
	drawn, changed := time.Time{}, true
	for {
		select {
		case event := <-events:
			b.take(event, time.Now())
			changed = true
		case now := <-tick.C:
			if !changed && now.Sub(drawn) < redrawEvery {
				continue
			}
			_, height := screen.size()
			if err := screen.draw(b.picture(now, height)); err != nil {
				return err
			}
			drawn, changed = now, false
		case err := <-failed:
			return err
		}
	}
}

// pump hands out the events of a watch until it fails, or nil when ctx ends.
func pump(ctx context.Context, c *client.Client, req resource.WatchRequest, to chan<- resource.WatchEvent) error {
	for event, err := range c.Follow(ctx, req) {
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		select {
		case to <- event:
		case <-ctx.Done():
		}
	}
	return nil
}
