package proxy

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// outbox orders what is to be sent. It holds keys, not messages: what is sent
// is read from the store at the moment of sending, so that a hundred changes
// make one event and a late answer can never undo a deletion. It is in memory;
// the marks that survive a restart are in store.Meta.Out.
//
// A parcel is a key's place here. It is in one of five states: ready (in the
// lane of its peer; lanes take turns), flying (one publish at a time per key),
// told (taken by the broker, until the store knows), waiting (for a time),
// parked (until its peer is heard). One sender takes parcels by next.
type outbox struct {
	peerOf func(resource.Key) string
	wake   chan struct{} // capacity 1: something changed for the sender

	mu       sync.Mutex
	parcels  map[resource.Key]*parcel
	lanes    map[string]*lane
	turn     []*lane // lanes with ready parcels, in the order of their turns
	suspects []*parcel
	waiting  parcelHeap
	flying   int
	alone    bool // a suspect is flying
}

type parcelState uint8

const (
	ready parcelState = iota
	flying
	told
	waiting
	parked
)

type parcel struct {
	key       resource.Key
	state     parcelState
	why       reason
	again     bool // marked while flying
	suspect   bool // goes alone
	tries     int  // publishes of the present state that were not confirmed
	losses    int  // connections lost while it flew alone
	onSession bool // waiting, but ready at once in a new session
	due       time.Time
	index     int       // in waiting
	since     time.Time // when it was first marked
	sentAt    time.Time
}

// reason is why a key is to be sent, beyond the marks in the store.
type reason struct {
	response bool      // it answers a resync request
	askedAt  time.Time // when the peer made that request
	unknown  bool      // the id is unknown here: tell the peer to delete it
	version  int64     // of an unknown id, echoed
	raise    bool      // raise the version first
}

func (r reason) or(other reason) reason {
	if other.response || other.unknown {
		r.response, r.askedAt, r.unknown, r.version = other.response, other.askedAt, other.unknown, other.version
	}
	r.raise = r.raise || other.raise
	return r
}

// lane is what there is for one peer: its ready parcels, first in first out.
type lane struct {
	keys    []*parcel
	parked  []*parcel // what waits until the peer is heard
	heardAt time.Time
}

// shipment is what the sender takes.
type shipment struct {
	key   resource.Key
	why   reason
	tries int
	alone bool
}

func newOutbox(peerOf func(resource.Key) string) *outbox {
	return &outbox{
		peerOf: peerOf, wake: make(chan struct{}, 1),
		parcels: map[resource.Key]*parcel{}, lanes: map[string]*lane{},
	}
}

// mark makes a key ready, whatever it waited for. fresh says that its state
// changed, so that earlier tries no longer count.
func (o *outbox) mark(key resource.Key, why reason, fresh bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.parcel(key)
	p.why = p.why.or(why)
	if fresh {
		p.tries = 0
	}
	o.makeReady(p)
}

// after makes a key ready at a later time, unless it is ready or flying.
func (o *outbox) after(key resource.Key, why reason, due time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.parcel(key)
	p.why = p.why.or(why)
	if p.state == parked || p.state == told {
		o.wait(p, due)
	}
}

// heard makes what was parked for a peer ready.
func (o *outbox) heard(peer string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.lanes[peer]
	if l == nil { // nothing was ever sent there; peers are not remembered on their word
		return
	}
	l.heardAt = now
	for _, p := range l.parked {
		if p.state == parked {
			o.wait(p, p.sentAt.Add(parkedRetry))
		}
	}
	l.parked = nil
}

// parkedRetry is the least time between two publishes that nobody subscribed
// to, for a peer that is heard but does not listen.
const parkedRetry = time.Second

// opened makes ready what waited for a new session.
func (o *outbox) opened() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.parcels {
		if p.state == waiting && p.onSession {
			o.makeReady(p)
		}
	}
}

// idle tells whether nothing is ready or flying.
func (o *outbox) idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.turn) == 0 && len(o.suspects) == 0 && o.flying == 0
}

// oldest is the time at which the oldest key was marked that the broker has
// not taken yet; zero if there is none.
func (o *outbox) oldest() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	var oldest time.Time
	for _, p := range o.parcels {
		if (p.state != waiting || p.onSession) && (oldest.IsZero() || p.since.Before(oldest)) {
			oldest = p.since
		}
	}
	return oldest
}

// next waits for the next parcel while fewer than window are flying.
func (o *outbox) next(ctx context.Context, window int) (shipment, bool) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		s, wait, ok := o.take(window)
		if ok {
			return s, true
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return shipment{}, false
		case <-o.wake:
		case <-timer.C:
		}
	}
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
	s = shipment{key: p.key, why: p.why, tries: p.tries, alone: p.suspect || window == 1}
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

// The ends of a flight. Whatever it is, a key that was marked meanwhile is
// ready again.

// delivered: taken by the broker. It may be marked and sent again at once;
// settled follows when the store knows.
func (o *outbox) delivered(key resource.Key) {
	o.landed(key, func(p *parcel) { p.state, p.suspect, p.losses = told, false, 0 })
}

// settled: the store knows that it was delivered. repeat > 0 makes it ready
// again after that time, counting the try; else it is dropped.
func (o *outbox) settled(key resource.Key, repeat time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.parcels[key]
	switch {
	case p == nil || p.state != told: // marked since
	case repeat > 0:
		p.tries++
		o.wait(p, time.Now().Add(repeat))
	default:
		delete(o.parcels, key)
	}
}

// dropped: there was nothing to send any more.
func (o *outbox) dropped(key resource.Key) {
	o.delivered(key)
	o.settled(key, 0)
}

// unheard: taken by the broker, but nobody subscribed: it is parked until the
// peer is heard.
func (o *outbox) unheard(key resource.Key) {
	o.landed(key, func(p *parcel) {
		p.suspect, p.losses = false, 0
		l := o.lane(o.peerOf(key))
		if l.heardAt.After(p.sentAt) {
			o.wait(p, p.sentAt.Add(parkedRetry))
			return
		}
		l.parked = append(l.parked, p)
	})
}

// failed: not taken; again after that time, or in a new session if onSession.
func (o *outbox) failed(key resource.Key, why reason, after time.Duration, onSession bool) {
	o.landed(key, func(p *parcel) {
		p.why = p.why.or(why)
		p.tries++
		p.onSession = onSession
		o.wait(p, time.Now().Add(after))
	})
}

// lost: the connection ended under it. The first time it may have been any of
// those that flew; from then on it flies alone, and what loses the connection
// twice alone is set aside: lost tells so.
func (o *outbox) lost(s shipment) (setAside bool) {
	o.landed(s.key, func(p *parcel) {
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

// back: it was not sent after all.
func (o *outbox) back(s shipment) {
	o.landed(s.key, func(p *parcel) {
		p.why = s.why.or(p.why)
		o.makeReady(p)
	})
}

// setAsideFor is how long an event that seems to break connections waits.
const setAsideFor = 10 * time.Minute

// landed ends a flight: then decides what follows, unless the key was marked
// while it flew.
func (o *outbox) landed(key resource.Key, then func(*parcel)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.parcels[key]
	if p == nil || p.state != flying {
		return
	}
	o.flying--
	o.alone = false
	p.state, p.onSession = parked, false
	then(p)
	if p.again {
		p.again = false
		o.makeReady(p)
	}
	o.signal()
}

func (o *outbox) makeReady(p *parcel) {
	switch p.state {
	case ready:
		return
	case flying:
		p.again = true
		return
	case waiting:
		heap.Remove(&o.waiting, p.index)
	}
	p.state = ready
	if p.suspect {
		o.suspects = append(o.suspects, p)
	} else {
		l := o.lane(o.peerOf(p.key))
		if len(l.keys) == 0 {
			o.turn = append(o.turn, l)
		}
		l.keys = append(l.keys, p)
	}
	o.signal()
}

func (o *outbox) wait(p *parcel, due time.Time) {
	p.state, p.due = waiting, due
	heap.Push(&o.waiting, p)
	o.signal()
}

func (o *outbox) parcel(key resource.Key) *parcel {
	p := o.parcels[key]
	if p == nil {
		p = &parcel{key: key, state: parked, since: time.Now()}
		o.parcels[key] = p
	}
	return p
}

func (o *outbox) lane(peer string) *lane {
	l := o.lanes[peer]
	if l == nil {
		l = &lane{}
		o.lanes[peer] = l
	}
	return l
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// parcelHeap orders waiting parcels by the time at which they are due.
type parcelHeap []*parcel

func (h parcelHeap) Len() int           { return len(h) }
func (h parcelHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h parcelHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i]; h[i].index, h[j].index = i, j }
func (h *parcelHeap) Push(x any)        { p := x.(*parcel); p.index = len(*h); *h = append(*h, p) }
func (h *parcelHeap) Pop() any {
	old := *h
	p := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return p
}
