package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// answerer answers the resync requests of the other side, one at a time and off
// the receive path: an answer only marks keys in the outbox, where peers take
// turns. Of the waiting requests of one sender, type and part only the newest
// is answered.
type answerer struct {
	*Proxy
	wake chan struct{}

	mu      sync.Mutex
	waiting map[asking]*event.Event
	order   []asking
}

// asking tells requests apart: the newer of two equal ones replaces the other.
// A list that is too long for one request comes in parts, which begin with
// different ids.
type asking struct {
	peer   string
	sender string
	kind   event.Type
	part   string
}

// mostWaiting bounds the requests that wait for their answer; peers repeat
// theirs.
const mostWaiting = 10000

func newAnswerer(p *Proxy) *answerer {
	return &answerer{Proxy: p, wake: make(chan struct{}, 1), waiting: map[asking]*event.Event{}}
}

// add takes a request; it does not block.
func (a *answerer) add(peer string, e *event.Event) {
	key := asking{peer: peer, sender: e.Source, kind: e.Type, part: firstListed(e.Payload.Data)}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.waiting[key]; !ok {
		if len(a.order) >= mostWaiting {
			a.metrics.droppedEvents.WithLabelValues(dropOverload).Inc()
			return
		}
		a.order = append(a.order, key)
	}
	a.waiting[key] = e
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// firstListed is the first resource id in a request; "" if it lists none. It
// reads no further, because it runs on the receive path.
func firstListed(request []byte) string {
	tokens := json.NewDecoder(bytes.NewReader(request))
	for range 10 {
		token, err := tokens.Token()
		if err != nil {
			return ""
		}
		if token == "resourceID" {
			id, _ := tokens.Token()
			s, _ := id.(string)
			return s
		}
	}
	return ""
}

func (a *answerer) run(ctx context.Context) error {
	for {
		e := a.take()
		if e == nil {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-a.wake:
			}
			continue
		}
		start := time.Now()
		err := a.side.answer(ctx, e)
		a.outbox.heard(a.side.sender(e), start)
		if err != nil {
			a.log.Warn("cannot answer a resync request", "sender", e.Source, "cluster", e.Cluster, "type", e.Type.String(), "error", err)
			continue
		}
		a.metrics.answered(e, time.Since(start))
	}
}

func (a *answerer) take() *event.Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.order) == 0 {
		return nil
	}
	key := a.order[0]
	a.order = a.order[1:]
	e := a.waiting[key]
	delete(a.waiting, key)
	return e
}

// askedAt is when a request was made, for comparing with our own times: a
// sender's clock that runs ahead must not hide what came later.
func askedAt(e *event.Event) time.Time {
	now := time.Now()
	if e.Time.IsZero() || e.Time.After(now) {
		return now
	}
	return e.Time
}

// answerWith marks what a request is answered with.
func (p *Proxy) answerWith(ids []string, group resource.Group, why reason) {
	for _, id := range ids {
		p.outbox.mark(group.Key(id), why, false)
	}
}
