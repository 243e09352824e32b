package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// untilSignal ends the context at the first SIGTERM or SIGINT. The second, however
// soon it comes, has its usual effect: the process ends at once.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := onSignals(cancel, func(got os.Signal) {
		signal.Reset(got)
		_ = syscall.Kill(os.Getpid(), got.(syscall.Signal))
	})
	return ctx, func() { stop(); cancel() }
}

// untilSignals ends the context at the first SIGTERM or SIGINT, and closes hurry
// at the second: for ends that leave nothing running behind them.
func untilSignals(ctx context.Context) (_ context.Context, hurry <-chan struct{}, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	second := make(chan struct{})
	stop := onSignals(cancel, func(os.Signal) { close(second) })
	return ctx, second, func() { stop(); cancel() }
}

// onSignals calls first and second at the first two signals to end, until the
// returned function is called.
func onSignals(first func(), second func(os.Signal)) (stop func()) {
	signals, done := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for _, act := range []func(os.Signal){func(os.Signal) { first() }, second} {
			select {
			case got := <-signals:
				act(got)
			case <-done:
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		signal.Stop(signals)
		close(done)
	})
}
