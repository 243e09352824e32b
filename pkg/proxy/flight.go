package proxy

import (
	"context"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// next waits for the next parcel while fewer than window are flying, or for the
// end of ctx, after which there is none.
func (o *outbox) next(ctx context.Context, window int) (shipment, bool) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		s, wait, ok := o.take(window)
		if ok {
			return s, true
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-o.wake:
		case <-timer.C:
		}
	}
	return shipment{}, false
}

func (o *outbox) take(window int) (s shipment, wait time.Duration, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for len(o.waiting) > 0 && !o.waiting[0].due.After(now) {
		o.makeReady(o.waiting[0])
	}
	wait = time.Hour
	if len(o.waiting) > 0 {
		wait = o.waiting[0].due.Sub(now)
	}
	if o.alone || o.flying >= window {
		return s, wait, false
	}
	p := o.pop()
	if p == nil {
		return s, wait, false
	}
	p.flight++
	s = shipment{key: p.key, flight: p.flight, why: p.why, tries: p.tries, refusals: p.refusals, alone: p.suspect || window == 1}
	o.alone = p.suspect
	p.state, p.why, p.again, p.sentAt = flying, reason{}, false, now
	o.flying++
	return s, 0, true
}

// pop takes the next ready parcel: a suspect only when nothing else flies.
func (o *outbox) pop() *parcel {
	if len(o.suspects) > 0 {
		if o.flying > 0 {
			return nil
		}
		p := o.suspects[0]
		o.suspects = o.suspects[1:]
		return p
	}
	if len(o.turn) == 0 {
		return nil
	}
	l := o.turn[0]
	p := l.keys[0]
	l.keys[0] = nil
	l.keys = l.keys[1:]
	o.turn = o.turn[1:]
	if len(l.keys) > 0 {
		o.turn = append(o.turn, l)
	} else {
		l.keys = nil
	}
	return p
}

// handed notes that the state of a shipment goes to a session now.
func (o *outbox) handed(s shipment, state resource.Revision) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.parcels[s.key]; p != nil && p.flight == s.flight {
		p.flew = state
	}
}

// wasHanded tells whether a state of a key was given to a session, as long as
// the key is here.
func (o *outbox) wasHanded(key resource.Key, state resource.Revision) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.parcels[key]
	return p != nil && p.flew >= state
}

// The ends of a flight. Whatever it is, a key that was marked meanwhile is
// ready again.

// delivered: taken by the broker. It may be marked and sent again at once;
// settled follows when the store knows.
func (o *outbox) delivered(s shipment) {
	o.landed(s, func(p *parcel) {
		p.state, p.suspect, p.losses, p.refusals = told, false, 0, 0
		if p.since = (time.Time{}); p.again {
			p.since = time.Now()
		}
	})
}

// settled: the store knows that it was delivered. repeat > 0 makes it ready
// again after that time, counting the try; else it is dropped.
func (o *outbox) settled(s shipment, repeat time.Duration) {
	o.ending(s, func(p *parcel) {
		if repeat <= 0 {
			delete(o.parcels, s.key)
			return
		}
		p.tries++
		o.wait(p, time.Now().Add(repeat))
	})
}

// unnoted: it was delivered, but the store does not know: it is ready again
// after that time, as if it had not been.
func (o *outbox) unnoted(s shipment, after time.Duration) {
	o.ending(s, func(p *parcel) { o.wait(p, time.Now().Add(after)) })
}

// ending ends what delivered has begun, unless the key was marked since.
func (o *outbox) ending(s shipment, then func(*parcel)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.parcels[s.key]; p != nil && p.state == told && p.flight == s.flight {
		then(p)
	}
}

// dropped: there was nothing to send any more.
func (o *outbox) dropped(s shipment) {
	o.delivered(s)
	o.settled(s, 0)
}

// unheard: taken by the broker, but nobody subscribed: it is parked until the
// peer is heard.
func (o *outbox) unheard(s shipment) {
	o.landed(s, func(p *parcel) {
		p.suspect, p.losses, p.refusals = false, 0, 0
		l := o.lane(p.key)
		if l.heardAt.After(p.sentAt) {
			o.wait(p, p.sentAt.Add(parkedRetry))
			return
		}
		l.parked[p] = struct{}{}
	})
}

// refused: not taken by the broker; again after that time, or in a new session.
func (o *outbox) refused(s shipment, after time.Duration) {
	o.landed(s, func(p *parcel) {
		p.why = s.why.or(p.why)
		p.refusals++
		p.onSession = true
		o.wait(p, time.Now().Add(after))
	})
}

// unsent: it could not be read or noted here; again after that time.
func (o *outbox) unsent(s shipment, after time.Duration) {
	o.landed(s, func(p *parcel) {
		p.why = s.why.or(p.why)
		o.wait(p, time.Now().Add(after))
	})
}

// lost: the connection ended under it. The first time it may have been any of
// those that flew; from then on it flies alone, and what loses the connection
// twice alone is set aside: lost tells so.
func (o *outbox) lost(s shipment) (setAside bool) {
	o.landed(s, func(p *parcel) {
		p.why = s.why.or(p.why)
		if s.alone {
			p.losses++
		}
		if p.losses >= 2 {
			setAside = true
			p.losses = 0
			o.wait(p, time.Now().Add(setAsideFor))
			return
		}
		p.suspect = true
		o.makeReady(p)
	})
	return setAside
}

// forget: there is no record any more.
func (o *outbox) forget(key resource.Key) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.parcels[key]; p != nil && (p.state == parked || p.state == waiting) {
		o.lift(p)
		delete(o.parcels, key)
	}
}

// back: it was not sent after all.
func (o *outbox) back(s shipment) {
	o.landed(s, func(p *parcel) {
		p.why = s.why.or(p.why)
		o.makeReady(p)
	})
}

// setAsideFor is how long an event that seems to break connections waits.
const setAsideFor = 10 * time.Minute

// landed ends a flight: then decides what follows, unless the key was marked
// while it flew.
func (o *outbox) landed(s shipment, then func(*parcel)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.parcels[s.key]
	if p == nil || p.state != flying || p.flight != s.flight {
		return
	}
	o.flying--
	o.alone = false
	p.state, p.onSession, p.settling = parked, false, 0
	then(p)
	if p.again {
		p.again = false
		o.makeReady(p)
	}
	o.signal()
}
