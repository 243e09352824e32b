//go:build e2e

package e2e_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// TestEndWaitsForTheBroker: what is pending leaves if the broker comes back
// within the grace time.
func TestEndWaitsForTheBroker(t *testing.T) {
	overBrokers(t, func(t *testing.T, kind brokerKind) {
		w := newWorld(t, startBroker(t, kind))
		w.hubGate.hold()
		w.putMany(80)
		w.source.proc.signal(t, syscall.SIGTERM)
		w.source.waitLogged(t, "connection failed")
		w.hubGate.open(t)
		w.source.exitsWell(t)
		eventually(t, 10*time.Second, "the agent has all that was put", func() error {
			total := w.agent.status(t).Resources.Total
			return expect(total == 80, "it has %d of 80", total)
		})
	})
}

// TestEndWithoutBroker: an end waits for the grace time, and says what it leaves
// behind; with nothing pending, or at the second signal, it is at once.
func TestEndWithoutBroker(t *testing.T) {
	t.Parallel()
	const grace = 2 * time.Second
	s := newSidecar(t, resource.Source, freeAddr(t), settings{"shutdownGrace": grace.String()})
	s.start(t)
	if took := s.terminate(t); took > grace {
		t.Errorf("it took %s to end with nothing pending", took)
	}
	s.start(t)
	newSourceApp(s.api).put(context.Background(), "dev-0")
	if took := s.terminate(t); took < grace || took > 2*grace {
		t.Errorf("it took %s to end with something pending", took)
	}
	s.waitLogged(t, "sidecar stopped", "pending=1")

	s.configure(t, settings{"shutdownGrace": "1h"})
	s.start(t)
	s.proc.signal(t, syscall.SIGTERM)
	eventually(t, patience, "the second signal ends it", func() error {
		_ = s.proc.cmd.Process.Signal(syscall.SIGTERM)
		return expect(s.proc.ended() != nil, "it runs")
	})
}
