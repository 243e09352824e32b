package proxy_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// lines is a log that a test reads while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// want checks that some line holds all the texts.
func (l *lines) want(t *testing.T, texts ...string) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		missing := false
		for _, text := range texts {
			missing = missing || !strings.Contains(line, text)
		}
		if !missing {
			return
		}
	}
	t.Errorf("no line holds %q:\n%s", texts, l)
}

// logged plays a story with a log of that level.
func logged(t *testing.T, role resource.Role, level slog.Level, tell func(t *testing.T, s *sidecar, log *lines)) {
	story(t, role, func(t *testing.T, s *sidecar) {
		log := &lines{}
		s.log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level}))
		s.restart()
		tell(t, s, log)
		for _, secret := range []string{"s3cr3t", "online"} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("a payload is in the log:\n%s", log)
			}
		}
	})
}

func TestDebugShowsTheTrafficOfASource(t *testing.T) {
	logged(t, resource.Source, slog.LevelDebug, func(t *testing.T, s *sidecar, log *lines) {
		s.put("a", `{"key":"s3cr3t"}`)
		first := statusOf("a", 1, `{"online":true}`)
		s.deliver(first)
		s.deliver(first, statusOf("unknown", 1, `{}`))
		s.deliver(specRequest(holds("a", 1), holds("b", 1)))
		time.Sleep(time.Minute)
		synctest.Wait()
		log.want(t, "asked for resync", "listed=")
		log.want(t, "event published", "create_request", "resourceID=a", "version=1")
		log.want(t, "event received", "status.update_request", "resourceID=a", "version=1", "news=true")
		log.want(t, "dropped an event", "level=DEBUG", "reason=stale")
		log.want(t, "dropped an event", "level=DEBUG", "reason=unknown_resource")
		log.want(t, "resync request answered", "listed=2", "sends=0", "unknown=1")
	})
}

func TestDebugShowsTheTrafficOfAnAgent(t *testing.T) {
	logged(t, resource.Agent, slog.LevelDebug, func(t *testing.T, s *sidecar, log *lines) {
		s.deliver(specOf("a", 1, `{"key":"s3cr3t"}`))
		s.answerLease(s.leaseOne(), resource.WorkResult{Status: []byte(`{"online":true}`)})
		s.deliver(statusRequest("a", "other"))
		log.want(t, "event received", "spec.update_request", "resourceID=a", "news=true")
		log.want(t, "leased", "key=", "reasons=[created]", "attempt=1")
		log.want(t, "lease answered", "result=done", "status=true")
		log.want(t, "event published", "status.update_request", "source=hub1", "resourceID=a")
		log.want(t, "resync request answered", "listed=1", "sends=1")
	})
}

// What arrives again and again fills no log.
func TestDroppedEventsAreLoggedWithinBounds(t *testing.T) {
	for level, most := range map[slog.Level]int{slog.LevelDebug: 40, slog.LevelInfo: 0} {
		t.Run(level.String(), func(t *testing.T) {
			logged(t, resource.Source, level, func(t *testing.T, s *sidecar, log *lines) {
				for range 90 {
					s.deliver(statusOf("unknown", 1, `{}`))
				}
				if n := strings.Count(log.String(), "dropped an event"); n > most || n < most/4 {
					t.Errorf("%d lines, want about %d", n, most/2)
				}
			})
		})
	}
}
