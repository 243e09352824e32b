package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/resync"
	"github.com/pillion-dev/pillion/pkg/store"
	"github.com/pillion-dev/pillion/pkg/transport"
)

// asker asks the other side what it has, once for each peer and data type when
// a session begins, again until that has met someone, and from then on now and
// then (docs/architecture.md, Resync). A question without a peer goes to
// everybody: a source's when it knows no cluster, an agent's first one.
type asker struct {
	*Proxy
	wake chan struct{}

	mu        sync.Mutex
	questions map[questionKey]*question
	filledAt  time.Time
	heardNow  map[questionKey]bool // of whom something was heard in this session
	askedAt   time.Time
	complete  bool // every question was asked in this session
}

type questionKey struct {
	peer     string
	dataType resource.DataType
}

// question is what is asked of one peer about one data type.
type question struct {
	peer     string
	dataType resource.DataType
	once     bool   // it is forgotten when it was asked
	from     string // where the next range of a long list begins
	next     string // set by requests
	schedule *resync.Schedule
	asked    bool      // in this session
	askedAt  time.Time // by itself, in this session
}

func (q *question) key() questionKey { return questionKey{q.peer, q.dataType} }

const (
	askRetry  = 5 * time.Second // after a request that could not be sent
	fillEvery = time.Minute     // to find peers that resources were declared for since
)

func newAsker(p *Proxy) *asker {
	return &asker{Proxy: p, wake: make(chan struct{}, 1)}
}

// run asks while a session lasts.
func (a *asker) run(ctx context.Context, s transport.Session) error {
	a.begin()
	for {
		due, wait := a.due(time.Now())
		for _, q := range due {
			if err := a.ask(ctx, s, q); err != nil {
				return err
			}
		}
		if len(due) > 0 {
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-a.wake:
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// begin makes every question due, as the first act of a session.
func (a *asker) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.questions, a.heardNow = map[questionKey]*question{}, map[questionKey]bool{}
	onReconnect := a.live.Load().Resync.OnReconnect
	a.complete = !onReconnect
	a.all(onReconnect)
}

// all adds every question: to the peers known, and to everybody, whom an agent
// asks once a session and a source while it knows no cluster.
func (a *asker) all(onReconnect bool) {
	a.fill(onReconnect)
	for _, d := range a.live.Load().DataTypes {
		if a.opts.Role == resource.Agent || !a.knows(d) {
			a.add(question{dataType: d}, onReconnect)
		}
	}
}

// fill adds the questions for peers that became known.
func (a *asker) fill(atOnce bool) {
	a.filledAt = time.Now()
	for _, q := range a.side.questions() {
		a.add(q, atOnce)
	}
}

// add adds a question that is missing. It is due at once, or when it would be
// asked anyway.
func (a *asker) add(q question, atOnce bool) {
	if a.questions[q.key()] != nil || !a.live.Load().handles(q.dataType) {
		return
	}
	policy := a.policy(q.peer == "")
	first := time.Now()
	if !atOnce {
		first = first.Add(policy.Every)
	}
	q.schedule = resync.NewSchedule(policy, first, rand.Float64)
	a.questions[q.key()] = &q
}

// policy of a question. A source that asks everybody holds nothing whose status
// could change: it has no haste.
func (a *asker) policy(everybody bool) resync.Policy {
	r := a.live.Load().Resync
	if a.opts.Role == resource.Source && !everybody {
		return resync.Policy{Repeat: r.Repeat, Every: r.StatusEvery, Jitter: r.Jitter}
	}
	return resync.Policy{Repeat: r.Repeat, Every: r.SpecEvery, EveryMax: r.SpecEveryMax, Jitter: r.Jitter}
}

// due are the questions that should be asked now, or how long there is none.
// Those to everybody come alone and first, because they answer others.
func (a *asker) due(now time.Time) (due []*question, wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.filledAt) >= fillEvery {
		a.fill(false)
	}
	wait = fillEvery
	for _, q := range a.questions {
		next := q.schedule.Next()
		if next.IsZero() {
			continue
		}
		if left := next.Sub(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		due = append(due, q)
	}
	if len(due) == 0 {
		a.complete = true
	}
	if i := slices.IndexFunc(due, func(q *question) bool { return q.peer == "" }); i >= 0 {
		due = due[i : i+1]
	}
	return due, wait
}

// ask sends one question. Only the end of the session is an error.
func (a *asker) ask(ctx context.Context, s transport.Session, q *question) error {
	events, err := a.side.requests(q, s.Info().MaxPayload)
	for _, e := range events {
		if err != nil {
			break
		}
		if _, err = s.Publish(ctx, e); err == nil {
			a.metrics.sent(e)
		}
	}
	if errors.Is(err, transport.ErrClosed) || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	if err == nil {
		a.traceAsked(q, events)
	}
	a.settle(q, err)
	return nil
}

func (a *asker) settle(q *question, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	q.asked = true
	if err != nil {
		a.log.Warn("cannot ask for resync", "peer", q.peer, "dataType", string(q.dataType), "error", err)
		if q.peer == "" {
			delete(a.questions, q.key()) // the known peers are asked one by one
			return
		}
		q.schedule.Asked(now)
		q.schedule.Again(now.Add(askRetry))
		return
	}
	a.askedAt, q.askedAt = now, now
	if q.once {
		delete(a.questions, q.key())
		return
	}
	q.from = q.next
	q.schedule.Asked(now)
	if q.peer == "" && a.opts.Role == resource.Agent {
		a.broadcast(q, now)
	}
}

// broadcast notes that every source was asked at once. From then on each is
// asked by itself, about what is held of it alone.
func (a *asker) broadcast(q *question, now time.Time) {
	whole := q.next == ""
	for _, other := range a.questions {
		if other.peer != "" && other.dataType == q.dataType && whole {
			other.asked = true
			other.schedule.Asked(now)
		}
	}
	if a.knows(q.dataType) {
		delete(a.questions, q.key())
	}
}

func (a *asker) knows(d resource.DataType) bool {
	for key, q := range a.questions {
		if key.peer != "" && key.dataType == d && !q.once {
			return true
		}
	}
	return false
}

// heard tells the schedules that a peer sent something. A peer that has just
// come (its first request in this session, or one to everybody) may have
// missed our question: it is asked again.
func (a *asker) heard(peer string, e *event.Event, news bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.questions == nil {
		return
	}
	now := time.Now()
	request := e.Type.Action == event.ResyncRequest
	key := questionKey{peer, e.Type.DataType}
	came := request && (!a.heardNow[key] || broadcast(e))
	if len(a.heardNow) < mostWaiting {
		a.heardNow[key] = true
	}
	q := a.meet(peer, e.Type.DataType)
	switch {
	case came && q != nil && q.peer != "":
		q.schedule.Again(now)
		a.signal()
		return
	case came:
		a.askOnce(peer, e.Type.DataType)
	}
	if q != nil {
		q.schedule.Heard(now, news)
	}
}

// askOnce asks a peer that has just come and of which nothing is held. To ask
// everybody again would tell all of them that we have just come, and they would
// ask everybody too, without end.
func (a *asker) askOnce(peer string, d resource.DataType) {
	q := question{peer: peer, dataType: d, once: true}
	if a.questions[q.key()] != nil || !a.live.Load().handles(d) || len(a.questions) >= mostWaiting {
		return
	}
	q.schedule = resync.NewSchedule(resync.Policy{}, time.Now(), rand.Float64)
	a.questions[q.key()] = &q
	a.signal()
}

// meet is the question that a peer was asked. One that was asked along with
// everybody gets its own, as if it had just been asked.
func (a *asker) meet(peer string, d resource.DataType) *question {
	if q := a.questions[questionKey{peer, d}]; q != nil {
		return q
	}
	everybody := a.questions[questionKey{"", d}]
	if !slices.ContainsFunc(a.store.Group(a.side.group(peer, d)), (*store.Meta).Visible) {
		return everybody
	}
	a.add(question{peer: peer, dataType: d}, false)
	q := a.questions[questionKey{peer, d}]
	if q != nil && everybody != nil && everybody.asked {
		q.schedule.Asked(time.Now())
		delete(a.questions, everybody.key())
	}
	return q
}

// broadcast tells whether a request went to everybody.
func broadcast(e *event.Event) bool {
	if e.Type.Sub == event.SubSpec {
		return e.OriginalSource == ""
	}
	return e.Cluster == ""
}

// refresh takes up a changed configuration.
func (a *asker) refresh() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.questions == nil {
		return
	}
	a.questions = map[questionKey]*question{}
	a.all(true)
	a.signal()
}

// now asks again what fits, at once.
func (a *asker) now(peer string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.questions == nil {
		return // the next session asks
	}
	a.fill(true)
	for _, q := range a.questions {
		if peer == "" || q.peer == peer {
			q.schedule.Again(time.Now())
		}
	}
	a.signal()
}

func (a *asker) signal() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// state is when the last question was taken by the broker, and whether all of
// this session were.
func (a *asker) state() (askedAt time.Time, complete bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.askedAt, a.complete
}

// Resync asks the other side again.
func (p *Proxy) Resync(_ context.Context, req resource.ResyncRequest) error {
	switch {
	case p.opts.Role == resource.Source && req.Source != "":
		return resource.Errorf(resource.InvalidArgument, "a source asks clusters: give cluster, not source")
	case p.opts.Role == resource.Agent && (req.Cluster != "" || req.AllowDeletes):
		return resource.Errorf(resource.InvalidArgument, "an agent asks sources: give source, nothing else")
	}
	if req.AllowDeletes {
		p.guard.allow()
	}
	p.asks.now(req.Cluster + req.Source)
	return nil
}

// requestEvent is a resync request without its addresses.
func requestEvent(sub event.Sub, d resource.DataType, payload any) (*event.Event, error) {
	data, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	return &event.Event{
		Type:    event.Type{DataType: d, Sub: sub, Action: event.ResyncRequest},
		Payload: resource.Payload{Data: data, ContentType: resource.JSONContentType},
	}, nil
}
