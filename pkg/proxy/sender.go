package proxy

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
	"github.com/pillion-dev/pillion/pkg/transport"
)

// Repeats of what the broker took and nobody confirmed, and of what the broker
// refused: after 30 s, 1, 2, 4, 8 and 16 minutes (docs/architecture.md, Outbox).
const (
	firstRepeat = 30 * time.Second
	mostRepeats = 6
)

// storeRetry is how soon an event is tried again that the store has held up: it
// is soon well again, or the sidecar ends.
const storeRetry = 3 * time.Second

func repeatAfter(tries int) time.Duration { return firstRepeat << min(tries, mostRepeats-1) }

// sender publishes through one session, with a goroutine for each event in
// flight. One at a time leads: it waits for what the outbox yields, leaves the
// lead to another, and ships what it has taken, so that nothing is handed over
// on its way. A few wait for the lead: their stacks have grown already, which
// costs a new one more than all else that it does.
type sender struct {
	*Proxy
	session transport.Session
	broken  atomic.Bool   // a publish was lost: what would follow is not to blame
	lead    chan struct{} // holds one while nobody leads
	ready   atomic.Int32  // goroutines that lead or wait for it
}

// mostReady is how many goroutines lead or wait for it at most.
const mostReady = 4

// send publishes what the outbox yields until ctx or the session ends, and
// waits for the publishes in flight.
func (p *Proxy) send(ctx context.Context, session transport.Session) error {
	s := &sender{Proxy: p, session: session, lead: make(chan struct{}, 1)}
	s.lead <- struct{}{}
	group, leading := errgroup.WithContext(ctx)
	s.hire(ctx, leading, group)
	return group.Wait()
}

// hire has one goroutine more.
func (s *sender) hire(ctx, leading context.Context, group *errgroup.Group) {
	s.ready.Add(1)
	group.Go(func() error {
		for {
			next, err := s.take(leading)
			if err != nil {
				return err
			}
			if s.ready.Add(-1) == 0 {
				s.hire(ctx, leading, group)
			}
			s.ship(ctx, next)
			if s.ready.Add(1) > mostReady {
				s.ready.Add(-1)
				return nil
			}
		}
	})
}

// take leads until there is something to ship.
func (s *sender) take(ctx context.Context) (shipment, error) {
	<-s.lead
	defer func() { s.lead <- struct{}{} }()
	next, ok := s.outbox.next(ctx, s.session.Info().MaxInFlight)
	switch {
	case !ok:
		return next, ctx.Err()
	case s.over():
		s.outbox.back(next)
		return next, transport.ErrClosed
	}
	return next, nil
}

// ship sends one key: its newest state, read now.
func (s *sender) ship(ctx context.Context, next shipment) {
	rec, e, err := s.load(ctx, &next)
	if err != nil {
		s.heldUp(ctx, next, err)
		return
	}
	if e == nil {
		s.outbox.dropped(next)
		return
	}
	if err := s.limiter.Wait(ctx); err != nil || s.over() {
		s.outbox.back(next)
		return
	}
	s.outbox.handed(next, rec.Out.Dirty)
	receipt, err := s.session.Publish(ctx, e)
	if err != nil {
		s.failed(ctx, next, err)
		return
	}
	s.metrics.sent(e)
	s.tracePublished(e, receipt)
	s.shipped(next, rec, receipt)
}

// over tells whether the session has ended: what is not sent any more did not
// end it.
func (s *sender) over() bool {
	select {
	case <-s.session.Done():
		return true
	default:
		return s.broken.Load()
	}
}

// load reads what is to be sent; a nil event means that nothing is. What need
// not be done again if the event is not taken is struck from next.
func (p *Proxy) load(ctx context.Context, next *shipment) (*store.Record, *event.Event, error) {
	rec, err := p.store.Get(next.key)
	switch {
	case err != nil && resource.CodeOf(err) != resource.NotFound:
		return nil, nil, err
	case err == nil:
		next.why.unknown = false // declared since: its own marks decide
	case !next.why.unknown:
		return nil, nil, nil
	default:
		rec = &store.Record{Meta: &store.Meta{Key: next.key, Version: next.why.version, Gone: time.Now()}}
	}
	if rec, err = p.side.depart(ctx, rec, *next); err != nil {
		return nil, nil, err
	}
	next.why.raise = false
	e, err := p.side.compose(rec, *next)
	return rec, e, err
}

// shipped stores that the broker took an event.
func (p *Proxy) shipped(next shipment, rec *store.Record, receipt transport.Receipt) {
	if next.why.unknown {
		p.outbox.dropped(next) // the agent asks again if it must
		return
	}
	if receipt.NoSubscribers {
		p.outbox.unheard(next)
	} else {
		p.outbox.delivered(next)
	}
	sent := rec.Meta
	var repeats bool
	p.store.UpdateSoon(func(tx *store.Tx) (err error) {
		repeats, err = p.side.taken(tx, sent, receipt.NoSubscribers)
		return err
	}, func(err error) {
		switch {
		case receipt.NoSubscribers:
		case err != nil: // it stays marked as pending: send it once more
			p.outbox.unnoted(next, firstRepeat)
		default:
			p.settle(next, repeats)
		}
	})
}

// settle decides when what nobody has confirmed yet is sent again.
func (p *Proxy) settle(next shipment, repeats bool) {
	switch {
	case !repeats:
		p.outbox.settled(next, 0)
	case next.tries < mostRepeats:
		p.outbox.settled(next, repeatAfter(next.tries))
	default:
		p.outbox.settled(next, 0)
		p.note(next.key, "the other side has not confirmed this version; it is sent again when it asks: see whether its agent runs")
	}
}

// failed decides when a key that the broker did not take is tried again.
func (s *sender) failed(ctx context.Context, next shipment, err error) {
	var tooLarge *transport.TooLargeError
	switch {
	case errors.Is(err, transport.ErrClosed):
		s.broken.Store(true)
		if s.outbox.lost(next) {
			s.note(next.key, "the connection was lost twice while this was sent: it is set aside for 10 minutes")
		}
		return
	case ctx.Err() != nil:
		s.outbox.back(next)
		return
	case errors.As(err, &tooLarge):
		s.outbox.refused(next, setAsideFor)
	default:
		s.outbox.refused(next, repeatAfter(next.refusals))
	}
	s.log.Warn("cannot publish", "key", next.key.String(), "error", err)
	s.note(next.key, err.Error())
}

// heldUp decides when a key is tried again that the store did not give out.
func (s *sender) heldUp(ctx context.Context, next shipment, err error) {
	if ctx.Err() != nil {
		s.outbox.back(next)
		return
	}
	s.outbox.unsent(next, storeRetry)
	if s.metrics.logs.Allow() {
		s.log.Warn("cannot read or note what is to be sent", "key", next.key.String(), "error", err)
	}
}

// note shows an error in sync.error, once.
func (p *Proxy) note(key resource.Key, text string) {
	p.store.UpdateSoon(func(tx *store.Tx) error {
		m := tx.Meta(key)
		if m == nil || m.Out.Error == text {
			return nil
		}
		noted := *m
		noted.Out.Error = text
		tx.Put(noted, store.Write{Visible: noted.Visible()})
		return nil
	}, nil)
}
