package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"golang.org/x/sync/errgroup"
)

// door is a TCP listener whose address may change while it serves. A change is
// prepared, when it can still fail, and then made; both in one goroutine at a
// time, that of Run excepted.
type door struct {
	key     string // of the configuration
	serve   func(context.Context, net.Listener) error
	log     *slog.Logger
	address string
	next    chan net.Listener // nil closes the door
}

func newDoor(key string, log *slog.Logger, serve func(context.Context, net.Listener) error) *door {
	return &door{key: key, serve: serve, log: log, next: make(chan net.Listener, 1)}
}

// move is a change of a door that is prepared: either make or drop it.
type move struct {
	door     *door
	address  string
	listener net.Listener
}

// prepare opens the new address beside the old one; "" is none.
func (d *door) prepare(address string) (move, error) {
	m := move{door: d, address: address}
	if address == "" || address == d.address {
		return m, nil
	}
	var err error
	if m.listener, err = net.Listen("tcp", address); err != nil {
		return m, fmt.Errorf("%s: %w; choose another port, or end what listens there", d.key, err)
	}
	return m, nil
}

// make serves on the new address, and ends the old one. It does not wait.
func (m move) make() {
	d := m.door
	if m.address == d.address {
		return
	}
	d.clear()
	d.next <- m.listener // there is a place: nobody else sends
	d.address = m.address
}

// drop undoes what was prepared.
func (m move) drop() {
	if m.listener != nil {
		_ = m.listener.Close()
	}
}

// clear closes a listener that nobody has taken up.
func (d *door) clear() {
	select {
	case l := <-d.next:
		if l != nil {
			_ = l.Close()
		}
	default:
	}
}

// Run serves until ctx ends, on one address after the other: calls under way on
// an old one are answered while the new one is served.
func (d *door) Run(ctx context.Context) error {
	defer d.clear()
	group, ctx := errgroup.WithContext(ctx)
	stop := func() {}
	for {
		select {
		case <-ctx.Done():
			stop()
			return group.Wait()
		case l := <-d.next:
			stop()
			stop = d.open(ctx, group, l)
		}
	}
}

func (d *door) open(ctx context.Context, group *errgroup.Group, l net.Listener) (stop func()) {
	if l == nil {
		d.log.Info("listener closed", "key", d.key)
		return func() {}
	}
	d.log.Info("listener opened", "key", d.key, "address", l.Addr().String())
	serving, stop := context.WithCancel(ctx)
	group.Go(func() error {
		if err := d.serve(serving, l); err != nil {
			return fmt.Errorf("%s: %w", d.key, err)
		}
		return nil
	})
	return stop
}
