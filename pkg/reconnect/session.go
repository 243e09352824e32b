package reconnect

import (
	"context"
	"errors"
	"time"
)

// Session is one connection, from connect to its end: it returns why it ended,
// and soon after ctx has ended. It calls up once when it is connected and
// subscribed, naming the broker, without credentials, from the goroutine that
// it was called on.
type Session func(ctx context.Context, up func(broker string)) error

// end is how a session ended.
type end struct {
	wasUp bool
	upFor time.Duration
	err   error
}

// message is what the log says about it.
func (e end) message() string {
	if e.wasUp {
		return "connection lost"
	}
	return "connection failed"
}

// try runs one session.
func (l *Loop) try(ctx context.Context, session Session) (e end) {
	attempt := l.outage.failures + 1
	l.change(func(s *State) { s.Phase, s.Attempt = Connecting, attempt })
	var since time.Time
	e.err = session(ctx, func(broker string) {
		if e.wasUp {
			return
		}
		e.wasUp, since = true, time.Now()
		l.log.Info("connected", "broker", broker, "attempt", attempt)
		l.change(func(s *State) { s.Phase, s.Broker = Connected, broker })
	})
	if e.wasUp {
		e.upFor = time.Since(since)
	}
	if e.err == nil {
		e.err = errors.New("the session ended")
	}
	return e
}
