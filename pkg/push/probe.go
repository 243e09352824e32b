package push

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// How an app that cannot be reached is looked for: soon at first, and often
// enough that work goes on within a second of its coming.
const (
	probeFirst   = 50 * time.Millisecond
	probeEvery   = 500 * time.Millisecond
	probeTimeout = 2 * time.Second
)

// watch opens the gate whenever it is shut and the app can be reached, until
// ctx ends.
func (r *runner) watch(ctx context.Context) {
	for {
		up, _ := r.gate.state()
		<-up.Done() // the gate's, or a child of ctx
		if !pause(ctx, r.probeWait()) {
			return
		}
		if err := r.probe(ctx); err != nil {
			r.notReached(err.Error())
			continue
		}
		r.gate.open(ctx)
	}
}

// probeWait is how long to wait before the app is looked for. Only an answer
// makes it short again: an app that can be connected to and never answers must
// not make the handler spin.
func (r *runner) probeWait() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures == 0 {
		return 0
	}
	return around(min(probeFirst<<min(r.failures-1, 10), probeEvery))
}

// unreachable shuts the gate.
func (r *runner) unreachable(up context.Context, cause string) {
	r.notReached(cause)
	r.gate.shut(up)
}

// notReached counts a failure to reach the app, and tells the first one.
func (r *runner) notReached(cause string) {
	r.mu.Lock()
	r.failures++
	report := !r.reported
	r.reported = true
	r.mu.Unlock()
	r.setError(cause)
	if report {
		r.log.Warn("push handler waits for its app", "url", r.handler.URL.String(), "error", cause)
	}
}

// reached notes that the app has answered.
func (r *runner) reached() {
	r.mu.Lock()
	report := r.reported
	r.failures, r.reported = 0, false
	r.mu.Unlock()
	if report {
		r.log.Info("push handler is answered by its app", "url", r.handler.URL.String())
	}
}

// probe returns nil if the app can be reached and says that it is healthy, or
// is not asked.
func (r *runner) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if r.handler.HealthURL != (Target{}) {
		return r.askHealth(ctx)
	}
	conn, err := connect(ctx, r.handler.URL)
	if err != nil {
		return err
	}
	return conn.Close()
}

func (r *runner) askHealth(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.handler.HealthURL.URL, nil)
	if err != nil {
		return fmt.Errorf("ask healthURL: %w", err)
	}
	request.Header.Set("User-Agent", userAgent)
	response, err := r.health.Do(request)
	if err != nil {
		return fmt.Errorf("ask healthURL: %w", withoutURL(err))
	}
	defer finish(response)
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("healthURL answers %s", statusText(response.StatusCode))
	}
	return nil
}

// connect makes a connection to a target without saying anything on it.
func connect(ctx context.Context, t Target) (net.Conn, error) {
	u, err := url.Parse(t.URL)
	if err != nil {
		return nil, err
	}
	port := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	return dialer(t)(ctx, "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port)))
}
