package proxy

import (
	"container/heap"
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
	flight    int               // counts its flights
	flew      resource.Revision // the newest state, by Outbox.Dirty, that was handed to a session
	again     bool              // marked while flying
	suspect   bool              // goes alone
	tries     int               // publishes of the present state that were not confirmed
	refusals  int               // of the present state in a row, by the broker
	losses    int               // connections lost while it flew alone
	onSession bool              // waiting, but ready in a new session, so long after its begin:
	settling  time.Duration
	due       time.Time
	index     int       // in waiting
	since     time.Time // when the first change was marked that the broker has not taken; zero = none
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
	parked  map[*parcel]struct{} // what waits until the peer is heard
	heardAt time.Time
}

// shipment is what the sender takes.
type shipment struct {
	key      resource.Key
	flight   int
	why      reason
	tries    int
	refusals int
	alone    bool
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
		p.tries, p.refusals = 0, 0
	}
	if p.since.IsZero() {
		p.since = time.Now()
	}
	o.makeReady(p)
}

// after makes a key ready at a later time, unless it is ready or flying, or
// waits for an earlier one.
func (o *outbox) after(key resource.Key, why reason, due time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.parcel(key)
	p.why = p.why.or(why)
	if p.state == parked || p.state == told || p.state == waiting && due.Before(p.due) {
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
	if now.After(l.heardAt) { // an answer tells when it began
		l.heardAt = now
	}
	for p := range l.parked {
		o.wait(p, p.sentAt.Add(parkedRetry))
	}
}

// parkedRetry is the least time between two publishes that nobody subscribed
// to, for a peer that is heard but does not listen.
const parkedRetry = time.Second

// opening makes a key ready so long after the begin of the next session, and no
// later than that time.
func (o *outbox) opening(key resource.Key, settling time.Duration, due time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.parcel(key)
	p.onSession, p.settling = true, settling
	o.wait(p, due)
}

// opened makes ready what waited for a new session.
func (o *outbox) opened() {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for _, p := range o.parcels {
		switch {
		case p.state != waiting || !p.onSession:
		case p.settling > 0:
			o.wait(p, now.Add(p.settling))
		default:
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

// wasTold tells whether the broker has taken the present state of a key, which
// the store is about to know.
func (o *outbox) wasTold(key resource.Key) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.parcels[key]
	return p != nil && p.state == told
}

// oldest is the time at which the oldest key was marked that the broker has
// not taken yet; zero if there is none.
func (o *outbox) oldest() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	var oldest time.Time
	for _, p := range o.parcels {
		if !p.since.IsZero() && (oldest.IsZero() || p.since.Before(oldest)) {
			oldest = p.since
		}
	}
	return oldest
}

func (o *outbox) makeReady(p *parcel) {
	switch p.state {
	case ready:
		return
	case flying:
		p.again = true
		return
	}
	o.lift(p)
	p.state = ready
	if p.suspect {
		o.suspects = append(o.suspects, p)
	} else {
		l := o.lane(p.key)
		if len(l.keys) == 0 {
			o.turn = append(o.turn, l)
		}
		l.keys = append(l.keys, p)
	}
	o.signal()
}

// lift takes a parcel from where it waits.
func (o *outbox) lift(p *parcel) {
	switch p.state {
	case waiting:
		heap.Remove(&o.waiting, p.index)
	case parked:
		delete(o.lane(p.key).parked, p)
	}
}

func (o *outbox) wait(p *parcel, due time.Time) {
	o.lift(p)
	p.state, p.due = waiting, due
	heap.Push(&o.waiting, p)
	o.signal()
}

func (o *outbox) parcel(key resource.Key) *parcel {
	p := o.parcels[key]
	if p == nil {
		p = &parcel{key: key, state: parked}
		o.parcels[key] = p
	}
	return p
}

// lane is that of the peer of a key.
func (o *outbox) lane(key resource.Key) *lane {
	peer := o.peerOf(key)
	l := o.lanes[peer]
	if l == nil {
		l = &lane{parked: map[*parcel]struct{}{}}
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
