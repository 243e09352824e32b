package reconnect

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Loop runs sessions, one after another.
type Loop struct {
	log      *slog.Logger
	onChange []func(State)
	outage   outage // Run's alone

	mu        sync.Mutex
	policy    Policy
	state     State
	interrupt context.CancelCauseFunc // of the present session and wait; nil = none
	retuned   chan struct{}           // tells a wait that the policy has changed
	hurried   chan struct{}           // tells a wait that it is over
}

// NewLoop returns a loop that is not running.
func NewLoop(p Policy, log *slog.Logger) *Loop {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Loop{
		log:     log,
		policy:  p.withDefaults(),
		state:   State{Phase: Connecting, Since: time.Now()},
		retuned: make(chan struct{}, 1),
		hurried: make(chan struct{}, 1),
	}
}

// OnChange has f called with every new State, in order, on Run's goroutine:
// nothing happens until it returns. It is called before Run.
func (l *Loop) OnChange(f func(State)) { l.onChange = append(l.onChange, f) }

// State is the present state.
func (l *Loop) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// SetPolicy changes the policy. A wait that is under way is drawn anew, so
// that shorter times are in effect at once; one that an error asked for stays.
func (l *Loop) SetPolicy(p Policy) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.policy = p.withDefaults()
	select {
	case l.retuned <- struct{}{}:
	default:
	}
}

// Restart ends the present session or wait. The next try is at once and begins
// after this call, so that it sees what was configured before; what failed
// until now no longer counts.
func (l *Loop) Restart(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.interrupt != nil {
		l.interrupt(&restart{reason})
	}
}

// Hurry ends the wait that is under way, or else the next one, unless an error
// asked for it: who was taken over must not take the session back. The outage
// then counts as a young one, so that tries follow each other soon.
func (l *Loop) Hurry() {
	select {
	case l.hurried <- struct{}{}:
	default:
	}
}

// restart is why a session was interrupted.
type restart struct{ reason string }

func (r *restart) Error() string { return "restarted: " + r.reason }

// Run runs sessions until ctx ends, and then returns nil. It is called once.
func (l *Loop) Run(ctx context.Context, session Session) error {
	l.outage = outage{began: time.Now()}
	for ctx.Err() == nil {
		l.round(ctx, session)
	}
	return nil
}

// round is one session and the wait after it.
func (l *Loop) round(ctx context.Context, session Session) {
	ctx, cancel := l.interruptible(ctx)
	defer cancel()
	e := l.try(ctx, session)
	if ctx.Err() == nil {
		l.settle(ctx, e)
	}
	l.forgetIfRestarted(ctx)
}

// interruptible is a context that Restart ends.
func (l *Loop) interruptible(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.interrupt = cancel
	return ctx, func() { cancel(nil) }
}

// forgetIfRestarted begins a new outage if Restart has ended ctx.
func (l *Loop) forgetIfRestarted(ctx context.Context) {
	var r *restart
	if errors.As(context.Cause(ctx), &r) {
		l.log.Info("session restarted", "reason", r.reason)
		l.outage = outage{began: time.Now()}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.state.LastError = ""
	}
}

// settle takes in how a session ended, and waits for the time of the next.
func (l *Loop) settle(ctx context.Context, e end) {
	now, attempt := time.Now(), l.outage.failures+1
	wait, fixed := delay(e.err)
	if byPolicy := l.outage.after(e, l.currentPolicy(), now); !fixed {
		wait = byPolicy
	}
	next := now.Add(wait)
	l.log.Log(ctx, l.outage.level(e, now), e.message(), "error", e.err, "attempt", attempt, "nextTry", next)
	l.change(func(s *State) { s.Phase, s.LastError, s.NextTry = Waiting, e.err.Error(), next })
	l.wait(ctx, wait, fixed)
}

// wait waits until ctx ends or the time has passed. Unless it is fixed, a new
// policy changes it.
func (l *Loop) wait(ctx context.Context, d time.Duration, fixed bool) {
	retuned, hurried := l.retuned, l.hurried
	if fixed {
		retuned, hurried = nil, nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-hurried:
			l.outage = outage{began: time.Now(), told: l.outage.told, toldAt: l.outage.toldAt}
			return
		case <-retuned:
			now := time.Now()
			d = l.outage.wait(l.currentPolicy(), now)
			timer.Reset(d)
			l.change(func(s *State) { s.NextTry = now.Add(d) })
		}
	}
}

// currentPolicy is the policy to go by. Whoever asks has seen all changes.
func (l *Loop) currentPolicy() Policy {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.retuned:
	default:
	}
	return l.policy
}

// change makes a new state and tells it.
func (l *Loop) change(how func(*State)) {
	l.mu.Lock()
	s := l.state
	s.NextTry = time.Time{}
	how(&s)
	if s.Phase != l.state.Phase {
		s.Since = time.Now()
	}
	l.state = s
	l.mu.Unlock()
	for _, f := range l.onChange {
		f(s)
	}
}
