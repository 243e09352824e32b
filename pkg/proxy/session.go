package proxy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pillion-dev/pillion/pkg/reconnect"
	"github.com/pillion-dev/pillion/pkg/transport"
)

// closeTimeout bounds the orderly end of a session.
const closeTimeout = 2 * time.Second

// session is one connection: connect, subscribe, ask for resync, serve until
// it breaks, return why. Receiving begins before the subscription, because a
// resumed session delivers at once.
func (p *Proxy) session(ctx context.Context, up func(broker string)) error {
	s, err := p.currentDriver().Dial(ctx)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		_ = s.Close(closing) // it has ended one way or the other
	}()
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() error { return p.receive(inner, s) })
	group.Go(func() error { return ended(inner, s) })
	group.Go(func() error {
		if err := s.Subscribe(inner); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		return p.serve(inner, s, up)
	})
	err = group.Wait()
	if errors.Is(err, transport.ErrClosed) {
		<-s.Done() // it comes with the cause, of which others saw the effect
	}
	if s.Err() != nil {
		return s.Err()
	}
	return err
}

func (p *Proxy) currentDriver() transport.Driver {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.driver
}

// serve runs what needs a subscribed session.
func (p *Proxy) serve(ctx context.Context, s transport.Session, up func(string)) error {
	p.online.Store(true)
	defer p.online.Store(false)
	up(s.Info().Broker)
	p.outbox.opened()
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() error { return p.send(inner, s) })
	group.Go(func() error { return p.asks.run(inner, s) })
	return group.Wait()
}

// ended waits for the end of the session and returns why.
func ended(ctx context.Context, s transport.Session) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.Done():
		if err := s.Err(); err != nil {
			return err
		}
		return errors.New("the broker closed the connection")
	}
}

// connectionChanged follows the session loop for metrics.
func (p *Proxy) connectionChanged(s reconnect.State) {
	p.metrics.connection(s.Phase == reconnect.Connected)
}
