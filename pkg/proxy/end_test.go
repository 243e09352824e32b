package proxy_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// ends stops the proxy and tells how long that took.
func (s *sidecar) ends(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	s.Shutdown()
	if err := <-s.ended; err != nil {
		t.Fatalf("run: %v", err)
	}
	s.ended <- nil // for close
	return time.Since(began)
}

// endsByGrace stops the proxy, which must use up its grace time and no more.
func (s *sidecar) endsByGrace(t *testing.T) {
	t.Helper()
	if took, grace := s.ends(t), settings().ShutdownGrace; took < grace || took > grace+time.Second {
		t.Errorf("the end took %s, the grace time is %s", took, grace)
	}
}

// What is pending leaves though the broker comes back only while the sidecar
// ends, after an outage in which tries have become rare.
func TestTheEndWaitsForTheBroker(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.cut(false)
		s.put("a", `{}`)
		time.Sleep(time.Hour)
		live := settings()
		live.ShutdownGrace = 20 * time.Second
		s.Reconfigure(live, s.wire, false)
		time.AfterFunc(5*time.Second, s.up)
		took := s.ends(t)
		if took < 5*time.Second || took > 10*time.Second {
			t.Errorf("the end took %s", took)
		}
		one(t, s.taken())
		if n := s.Pending(); n != 0 {
			t.Errorf("%d are pending", n)
		}
	})
}

func TestTheEndGivesUpAfterTheGraceTime(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.cut(false)
		s.put("a", `{}`)
		s.put("b", `{}`)
		s.endsByGrace(t)
		if n := s.Pending(); n != 2 {
			t.Errorf("%d are pending, want 2", n)
		}
	})
}

// What the rate of publishing holds up stays pending, and does not hold up the end.
func TestTheEndDoesNotWaitForTheRate(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		live := settings()
		live.Limits.PublishQPS, live.Limits.PublishBurst = 1, 1
		s.Reconfigure(live, s.wire, false)
		for i := range 100 {
			s.put(fmt.Sprint(i), `{}`)
		}
		s.endsByGrace(t)
		if n := s.Pending(); n == 0 || n > 100-int(settings().ShutdownGrace/time.Second)+1 {
			t.Errorf("%d are pending", n)
		}
	})
}

// Nor does it hold up the new session that a change of the configuration asks for.
func TestANewSessionDoesNotWaitForTheRate(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		live := settings()
		live.Limits.PublishQPS, live.Limits.PublishBurst = 1, 1
		s.Reconfigure(live, s.wire, false)
		for i := range 10 {
			s.put(fmt.Sprint(i), `{}`)
		}
		s.requests()
		s.Reconfigure(live, s.wire, true)
		time.Sleep(time.Second)
		if len(s.requests()) == 0 {
			t.Fatal("the new session has not asked for resync")
		}
		time.Sleep(20 * time.Second)
		if n := s.Pending(); n != 0 {
			t.Errorf("%d are pending", n)
		}
	})
}

func TestTheEndIsAtOnceIfNothingIsPending(t *testing.T) {
	for name, online := range map[string]bool{"online": true, "offline": false} {
		t.Run(name, func(t *testing.T) {
			story(t, resource.Source, func(t *testing.T, s *sidecar) {
				s.put("a", `{}`)
				if !online {
					s.cut(false)
				}
				synctest.Wait()
				time.Sleep(time.Hour) // nobody confirms it
				if took := s.ends(t); took != 0 {
					t.Errorf("the end took %s", took)
				}
			})
		})
	}
}

// While there is no session the status names the broker that is tried.
func TestStatusNamesTheBrokerThatIsTried(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.cut(false)
		time.Sleep(time.Minute)
		s.restart() // it was never connected
		if c := s.Status().Connection; c.State == "connected" || c.Broker != "wire" {
			t.Errorf("the connection is %+v", c)
		}
	})
}

// A watch is told that it ends with the sidecar, and did not break.
func TestTheEndEndsWatches(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		w := s.watch(resource.WatchRequest{})
		s.end() // as a signal does
		if err := waitErr(w); resource.CodeOf(err) != resource.Unavailable {
			t.Errorf("the watch ended with %v", err)
		}
	})
}
