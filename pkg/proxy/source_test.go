package proxy_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/transport"
)

var sequence int64 = (1800000000000-1288834974657)<<22 | 1<<12

func key(id string) resource.Key {
	return resource.Key{DataType: devices, Source: hub, Cluster: cluster, ID: id}
}

func (s *sidecar) put(id, spec string) *resource.Resource {
	s.t.Helper()
	res, _, err := s.Put(context.Background(), resource.PutRequest{Key: key(id),
		Spec: resource.Payload{Data: []byte(spec), ContentType: "application/json"}})
	if err != nil {
		s.t.Fatalf("put %s: %v", id, err)
	}
	synctest.Wait() // it is sent, if there is a session: no agent answers what it has not got
	return res
}

func (s *sidecar) delete(id string, force bool) (done bool) {
	s.t.Helper()
	_, done, err := s.Delete(context.Background(), resource.DeleteRequest{Key: key(id), Force: force})
	if err != nil {
		s.t.Fatalf("delete %s: %v", id, err)
	}
	return done
}

func (s *sidecar) get(id string) *resource.Resource {
	s.t.Helper()
	synctest.Wait()
	time.Sleep(20 * time.Millisecond) // marks are committed with a little delay
	synctest.Wait()
	res, err := s.Get(context.Background(), key(id))
	if err != nil {
		s.t.Fatalf("get %s: %v", id, err)
	}
	return res
}

func (s *sidecar) gone(id string) {
	s.t.Helper()
	if _, err := s.Get(context.Background(), key(id)); resource.CodeOf(err) != resource.NotFound {
		s.t.Fatalf("get %s: %v, want not_found", id, err)
	}
}

// statusOf is what an agent reports.
func statusOf(id string, version int64, status string) *event.Event {
	sequence += 1 << 22
	hash, _ := event.StatusHash([]byte(status))
	return &event.Event{Source: agentID, Cluster: cluster, OriginalSource: hub, ResourceID: id, ResourceVersion: version,
		SequenceID: strconv.FormatInt(sequence, 10), StatusHash: hash,
		Type:    event.Type{DataType: devices, Sub: event.SubStatus, Action: event.UpdateRequest},
		Payload: resource.Payload{Data: []byte(status), ContentType: "application/json"}}
}

const deletedStatus = `{"conditions":[{"type":"Deleted","status":"True"}]}`

// specRequest is an agent's spec resync request, of "id:version" pairs.
func specRequest(held ...event.ResourceVersion) *event.Event {
	data := `{"resourceVersions":[`
	for i, r := range held {
		if i > 0 {
			data += ","
		}
		data += fmt.Sprintf(`{"resourceID":%q,"resourceVersion":%d,"source":%q}`, r.ResourceID, r.ResourceVersion, r.Source)
	}
	return &event.Event{Source: agentID, Cluster: cluster,
		Type:    event.Type{DataType: devices, Sub: event.SubSpec, Action: event.ResyncRequest},
		Payload: resource.Payload{Data: []byte(data + "]}"), ContentType: "application/json"}}
}

func holds(id string, version int64) event.ResourceVersion {
	return event.ResourceVersion{ResourceID: id, ResourceVersion: version}
}

// one checks that exactly one event was sent, and returns it.
func one(t *testing.T, events []*event.Event) *event.Event {
	t.Helper()
	if len(events) != 1 {
		t.Fatalf("sent %d events, want 1: %s", len(events), describe(events))
	}
	return events[0]
}

func none(t *testing.T, events []*event.Event) {
	t.Helper()
	if len(events) != 0 {
		t.Fatalf("sent %s, want nothing", describe(events))
	}
}

func describe(events []*event.Event) (s string) {
	for _, e := range events {
		s += fmt.Sprintf("[%s %s v%d deleting=%v] ", e.Type.Action, e.ResourceID, e.ResourceVersion, e.DeletionTimestamp != nil)
	}
	return s
}

func story(t *testing.T, role resource.Role, tell func(t *testing.T, s *sidecar)) {
	synctest.Test(t, func(t *testing.T) { tell(t, start(t, role)) })
}

func TestSourceCreatesUpdatesObservesDeletes(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		if res := s.put("a", `{"x":1}`); res.Version != 1 || res.Sync.State != resource.Pending {
			t.Fatalf("put: version %d, %s", res.Version, res.Sync.State)
		}
		e := one(t, s.taken())
		if e.Type.Action != event.CreateRequest || e.ResourceVersion != 1 || string(e.Payload.Data) != `{"x":1}` {
			t.Fatalf("sent %s", describe([]*event.Event{e}))
		}
		if state := s.get("a").Sync.State; state != resource.Published {
			t.Fatalf("state %s, want published", state)
		}
		if res := s.put("a", `{ "x": 1 }`); res.Version != 1 {
			t.Fatalf("an equal put made version %d", res.Version)
		}
		none(t, s.taken())
		s.put("a", `{"x":2}`)
		if e := one(t, s.taken()); e.Type.Action != event.UpdateRequest || e.ResourceVersion != 2 {
			t.Fatalf("sent %s", describe([]*event.Event{e}))
		}
		s.deliver(statusOf("a", 2, `{"ok":true}`))
		if res := s.get("a"); res.Sync.State != resource.Observed || res.StatusVersion != 2 || string(res.Status) != `{"ok":true}` {
			t.Fatalf("after status: %s, status version %d, %s", res.Sync.State, res.StatusVersion, res.Status)
		}
		if s.delete("a", false) {
			t.Fatal("a delete was done at once, of what the agent holds")
		}
		if e := one(t, s.taken()); e.Type.Action != event.DeleteRequest || e.DeletionTimestamp == nil || len(e.Payload.Data) > 0 {
			t.Fatalf("sent %s", describe([]*event.Event{e}))
		}
		if state := s.get("a").Sync.State; state != resource.Deleting {
			t.Fatalf("state %s, want deleting", state)
		}
		s.deliver(statusOf("a", 2, deletedStatus))
		s.gone("a")
		none(t, s.taken())
		if res := s.put("a", `{"x":3}`); res.Version != 3 {
			t.Fatalf("made anew with version %d, want 3: above its last", res.Version)
		}
	})
}

func TestSourceForgetsAtOnceWhatNeverLeft(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.cut(false)
		synctest.Wait()
		s.put("a", `{}`)
		if !s.delete("a", false) {
			t.Fatal("the delete waits for an agent that was never told")
		}
		s.up()
		time.Sleep(time.Minute)
		none(t, s.taken())
	})
}

func TestSourceSendsNewestStateOnceAfterAnOutage(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.put("a", `{"n":0}`)
		one(t, s.taken())
		s.cut(false)
		synctest.Wait()
		for i := range 100 {
			s.put("a", fmt.Sprintf(`{"n":%d}`, i+1))
		}
		s.restart()
		s.up()
		time.Sleep(2 * time.Second)
		if e := one(t, s.taken()); e.ResourceVersion != 101 || string(e.Payload.Data) != `{"n":100}` {
			t.Fatalf("sent %s", describe([]*event.Event{e}))
		}
	})
}

func TestSourceRepeatsUntilConfirmed(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.put("a", `{}`)
		one(t, s.taken())
		time.Sleep(31 * time.Second)
		one(t, s.taken())
		s.deliver(specRequest(holds("a", 1)))
		time.Sleep(3 * time.Hour)
		none(t, s.taken())
	})
}

// An agent that has lost its memory asks once. The broker may lose the answer,
// and the source may die over it.
func TestSourceRepeatsTheAnswerToAnAgentThatLostItsMemory(t *testing.T) {
	for name, killed := range map[string]bool{"lives on": false, "dies": true} {
		t.Run(name, func(t *testing.T) {
			story(t, resource.Source, func(t *testing.T, s *sidecar) {
				s.put("a", `{}`)
				s.deliver(statusOf("a", 1, `{"ok":true}`))
				one(t, s.taken())
				time.Sleep(time.Minute)
				early := specRequest()
				early.Time = time.Now().Add(-2 * time.Minute) // from before it had the spec
				s.deliver(early)
				one(t, s.taken())
				time.Sleep(time.Hour)
				none(t, s.taken())

				s.deliver(specRequest())
				one(t, s.taken())
				if killed {
					s.restart()
				}
				time.Sleep(31 * time.Second)
				one(t, s.taken())
				s.deliver(statusOf("a", 1, `{"ok":true}`))
				time.Sleep(3 * time.Hour)
				none(t, s.taken())
				if res := s.get("a"); res.Sync.State != resource.Observed || res.Sync.Error != "" {
					t.Fatalf("%+v", res.Sync)
				}
			})
		})
	}
}

func TestSourceGivesUpRepeatingAndSaysSo(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.put("a", `{}`)
		time.Sleep(2 * time.Hour)
		if sent := s.taken(); len(sent) != 7 { // once, and after 30 s, 1, 2, 4, 8, 16 min
			t.Fatalf("sent %d times, want 7", len(sent))
		}
		if s.get("a").Sync.Error == "" {
			t.Fatal("sync.error is empty though nobody ever confirmed")
		}
		s.deliver(specRequest(holds("a", 1)))
		if text := s.get("a").Sync.Error; text != "" {
			t.Fatalf("sync.error is still %q", text)
		}
	})
}

func TestSourceSendsAgainWhenAnAbsentClusterIsHeard(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.answer(func(*event.Event) (transport.Receipt, error) { return transport.Receipt{NoSubscribers: true}, nil })
		s.put("a", `{}`)
		one(t, s.taken())
		if state := s.get("a").Sync.State; state != resource.Pending {
			t.Fatalf("state %s, want pending: nobody was there", state)
		}
		time.Sleep(time.Hour)
		none(t, s.taken())
		s.answer(nil)
		s.deliver(specRequest())
		time.Sleep(2 * time.Second)
		one(t, s.taken())
		if state := s.get("a").Sync.State; state != resource.Published {
			t.Fatalf("state %s, want published", state)
		}
	})
}

func TestSourceAnswersSpecResync(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		for _, id := range []string{"same", "older", "missing", "deleting"} {
			s.put(id, `{}`)
			s.put(id, `{"v":2}`)
		}
		s.delete("deleting", false)
		s.taken()
		s.get("deleting")
		e := specRequest(holds("same", 2), holds("older", 1), holds("deleting", 2))
		s.deliver(e)
		got := map[string]*event.Event{}
		for _, e := range s.taken() {
			got[e.ResourceID] = e
			if e.Type.Action != event.ResyncResponse {
				t.Errorf("%s: action %s", e.ResourceID, e.Type.Action)
			}
		}
		if len(got) != 3 || got["older"] == nil || got["missing"] == nil || got["deleting"] == nil || got["deleting"].DeletionTimestamp == nil {
			t.Fatalf("answered %v", got)
		}
	})
}

func TestForcedDeletionIsToldToWhoeverStillSpeaks(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.put("a", `{}`)
		one(t, s.taken())
		if !s.delete("a", true) {
			t.Fatal("a forced delete is not done")
		}
		s.gone("a")
		if e := one(t, s.taken()); e.DeletionTimestamp == nil {
			t.Fatalf("sent %s", describe([]*event.Event{e}))
		}
		s.restart()
		s.taken()
		s.deliver(specRequest(holds("a", 1))) // the guard of a new store does not count for what the app deleted
		if e := one(t, s.taken()); e.DeletionTimestamp == nil || e.ResourceVersion != 1 {
			t.Fatalf("sent %s", describe([]*event.Event{e}))
		}
		s.deliver(statusOf("a", 1, deletedStatus))
		time.Sleep(time.Hour)
		none(t, s.taken())
	})
}

func TestSourceRaisesOverAVersionAhead(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.put("a", `{}`)
		s.taken()
		s.deliver(statusOf("a", 7, `{"from":"before the backup"}`))
		if e := one(t, s.taken()); e.ResourceVersion != 8 {
			t.Fatalf("sent %s, want version 8", describe([]*event.Event{e}))
		}
		if res := s.get("a"); len(res.Status) != 0 {
			t.Fatalf("a status of a version never given was taken: %s", res.Status)
		}
		s.deliver(specRequest(holds("a", 20))) // within the minute
		none(t, s.taken())
		for _, ahead := range []int64{30, 40, 50} {
			time.Sleep(2 * time.Minute)
			s.taken()
			s.deliver(specRequest(holds("a", ahead)))
		}
		none(t, s.taken())
		if res := s.get("a"); res.Version != 41 || res.Sync.Error == "" {
			t.Fatalf("after 3 raises: version %d, error %q", res.Version, res.Sync.Error)
		}
	})
}

func TestSourceDropsWhatIsStaleOrForeign(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.put("a", `{}`)
		first := statusOf("a", 1, `{"n":1}`)
		second := statusOf("a", 1, `{"n":2}`)
		s.deliver(second, first)
		if res := s.get("a"); string(res.Status) != `{"n":2}` {
			t.Fatalf("status %s: an older one was taken", res.Status)
		}
		revision := s.get("a").Revision
		foreign := statusOf("a", 1, `{"n":3}`)
		foreign.OriginalSource = "hub2"
		node2 := statusOf("a", 1, `{"n":4}`)
		n, _ := strconv.ParseInt(node2.SequenceID, 10, 64)
		node2.SequenceID = strconv.FormatInt(n+1<<12, 10)
		elsewhere := statusOf("a", 1, `{"n":5}`)
		elsewhere.Cluster = "cluster2"
		list := statusOf("a", 1, `[]`)
		equal := statusOf("a", 1, `{ "n": 2 }`)
		s.deliver(foreign, node2, elsewhere, list, equal)
		if res := s.get("a"); res.Revision != revision {
			t.Fatalf("changed by what is stale or foreign: %s", res.Status)
		}
	})
}

func TestAgentThatDroppedWhatIsWantedGetsItAgain(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.put("a", `{}`)
		one(t, s.taken())
		s.deliver(statusOf("a", 1, deletedStatus))
		if e := one(t, s.taken()); e.ResourceVersion != 2 || e.DeletionTimestamp != nil {
			t.Fatalf("sent %s", describe([]*event.Event{e}))
		}
		s.deliver(statusOf("a", 2, deletedStatus))
		none(t, s.taken())
		time.Sleep(3 * time.Minute)
		if sent := s.taken(); len(sent) == 0 || sent[len(sent)-1].ResourceVersion != 3 {
			t.Fatalf("sent %s", describe(sent))
		}
	})
}

func TestPoisonIsSetAsideAndNothingElse(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.answer(func(e *event.Event) (transport.Receipt, error) {
			if e.ResourceID == "poison" {
				s.cut(true)
				return transport.Receipt{}, transport.ErrClosed
			}
			return transport.Receipt{}, nil
		})
		for i := range 10 {
			s.put(fmt.Sprintf("good%d", i), `{}`)
		}
		s.put("poison", `{}`)
		time.Sleep(20 * time.Second)
		for i := range 10 {
			if state := s.get(fmt.Sprintf("good%d", i)).Sync.State; state != resource.Published {
				t.Errorf("good%d is %s", i, state)
			}
		}
		if s.get("poison").Sync.Error == "" {
			t.Error("sync.error of the poison is empty")
		}
		s.answer(nil)
		time.Sleep(11 * time.Minute)
		if res := s.get("poison"); res.Sync.State != resource.Published || res.Sync.Error != "" {
			t.Errorf("later the poison is %s, error %q", res.Sync.State, res.Sync.Error)
		}
	})
}

func TestRejectedAndTooLargeAreShownAndTriedAgain(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.answer(func(*event.Event) (transport.Receipt, error) {
			return transport.Receipt{}, &transport.TooLargeError{Size: 100, Limit: 10}
		})
		s.put("a", `{}`)
		if res := s.get("a"); res.Sync.State != resource.Pending || res.Sync.Error == "" {
			t.Fatalf("%s, error %q", res.Sync.State, res.Sync.Error)
		}
		s.answer(nil)
		s.cut(true)
		time.Sleep(5 * time.Second)
		if res := s.get("a"); res.Sync.State != resource.Published || res.Sync.Error != "" {
			t.Fatalf("%s, error %q", res.Sync.State, res.Sync.Error)
		}
	})
}

func TestSourceAsksUntilItHasMetSomeone(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		if e := one(t, s.requests()); e.Cluster != "" {
			t.Fatalf("a source that knows no cluster asked %s alone", e.Cluster)
		}
		s.put("a", `{}`)
		s.cut(true)
		time.Sleep(time.Second)
		if e := one(t, s.requests()); e.Cluster != cluster || string(e.Payload.Data) != `{"statusHashes":[{"resourceID":"a","statusHash":""}]}` {
			t.Fatalf("asked %q: %s", e.Cluster, e.Payload.Data)
		}
		time.Sleep(8 * time.Second)
		one(t, s.requests()) // the first repeat
		s.deliver(specRequest(holds("a", 1)))
		one(t, s.requests()) // the agent has just come
		time.Sleep(time.Hour)
		if n := len(s.requests()); n < 45 || n > 90 {
			t.Fatalf("asked %d times in an hour, want about one a minute", n)
		}
	})
}

// A broker that refused an event for long, and takes it then, has not been asked
// in vain for a confirmation.
func TestRefusalsAreNoUnconfirmedPublishes(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		refusals := 0
		s.answer(func(e *event.Event) (transport.Receipt, error) {
			if e.Type.Action == event.ResyncRequest {
				return transport.Receipt{}, nil
			}
			refusals++
			return transport.Receipt{}, &transport.RejectedError{Reason: 0x87, Message: "not allowed"}
		})
		s.put("a", `{}`)
		time.Sleep(2 * time.Hour)
		if res := s.get("a"); refusals < 8 || res.Sync.State != resource.Pending || res.Sync.Error == "" {
			t.Fatalf("%d refusals: %+v", refusals, res.Sync)
		}
		s.answer(nil)
		var sent []*event.Event
		for end := time.Now().Add(17 * time.Minute); len(sent) == 0 && time.Now().Before(end); sent = s.taken() {
			time.Sleep(time.Second)
		}
		one(t, sent)
		if res := s.get("a"); res.Sync.State != resource.Published || res.Sync.Error != "" {
			t.Fatalf("taken: %+v", res.Sync)
		}
		time.Sleep(30 * time.Second)
		one(t, s.taken())
	})
}

// After a restart nobody knows whether the agent has a delete: it is told again
// soon, and so is one that was forced. Specs wait for the agent's listing.
func TestDeletesAreRepeatedSoonAfterARestart(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		for _, id := range []string{"deleted", "forced", "kept"} {
			s.put(id, `{}`)
		}
		s.delete("deleted", false)
		s.delete("forced", true)
		s.taken()
		s.cut(false)
		s.restart()
		time.Sleep(10 * time.Second)
		s.up()
		for range 100 { // until it has connected
			if time.Sleep(20 * time.Millisecond); s.Status().Connection.State == "connected" {
				break
			}
		}
		none(t, s.taken())
		time.Sleep(time.Second)
		sent := s.taken()
		if len(sent) != 2 || sent[0].DeletionTimestamp == nil || sent[1].DeletionTimestamp == nil {
			t.Fatalf("sent %s", describe(sent))
		}
		time.Sleep(31 * time.Second)
		if s.deliver(statusOf("deleted", 1, deletedStatus), statusOf("forced", 1, deletedStatus)); len(s.taken()) != 3 {
			t.Error("the first repeats of all three were not sent")
		}
		s.restart()
		time.Sleep(2 * time.Second)
		none(t, s.taken())
	})
}
