package proxy

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
	"github.com/pillion-dev/pillion/pkg/transport"
)

// engine runs a test with a source that is not connected.
func engine(t *testing.T, test func(t *testing.T, s *source, put func(spec string) resource.Key)) {
	synctest.Test(t, func(t *testing.T) {
		st, err := store.Open(store.Options{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		p, err := New(Options{Role: resource.Source, ID: "s", Store: st, Live: Live{DataTypes: []resource.DataType{"a.v1.b", "a.v1.c"}}})
		if err != nil {
			t.Fatal(err)
		}
		test(t, p.side.(*source), func(spec string) resource.Key {
			key := boxKey("c", 1)
			if _, _, err := p.Put(context.Background(), resource.PutRequest{Key: key,
				Spec: resource.Payload{Data: []byte(spec), ContentType: resource.JSONContentType}}); err != nil {
				t.Fatal(err)
			}
			return key
		})
	})
}

func update(t *testing.T, s *source, change func(tx *store.Tx)) {
	t.Helper()
	err := s.store.Update(context.Background(), func(tx *store.Tx) error {
		change(tx)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A version that was declared between the comparison and its commit was not
// shown by anybody.
func TestConfirmationIsOfWhatWasCompared(t *testing.T) {
	engine(t, func(t *testing.T, s *source, put func(string) resource.Key) {
		key := put(`{}`)
		compared := s.store.Meta(key)
		put(`{"n":2}`)
		update(t, s, func(tx *store.Tx) { s.confirmOne(tx, compared) })
		if m := s.store.Meta(key); m.Version != 2 || m.Out.Confirmed || !m.Out.Pending {
			t.Fatalf("version %d, %+v", m.Version, m.Out)
		}
	})
}

// An agent that speaks of a version that was never sent has it from a store
// that was lost, with what spec nobody knows.
func TestVersionThatWasNeverGivenIsRaised(t *testing.T) {
	status := func(key resource.Key) *event.Event {
		return &event.Event{Source: "agent", Cluster: key.Cluster, OriginalSource: "s", ResourceID: key.ID, ResourceVersion: 1,
			Type:    event.Type{DataType: key.DataType, Sub: event.SubStatus, Action: event.UpdateRequest},
			Payload: resource.Payload{Data: []byte(`{}`), ContentType: resource.JSONContentType}}
	}
	for name, c := range map[string]struct {
		before func(s *source, key resource.Key)
		shown  func(s *source, tx *store.Tx, key resource.Key)
		want   int64
	}{
		"by a status":  {nil, func(s *source, tx *store.Tx, key resource.Key) { _, _ = s.receive(tx, status(key)) }, 2},
		"by a request": {nil, func(s *source, tx *store.Tx, key resource.Key) { s.confirmOne(tx, tx.Meta(key)) }, 2},
		"sent before": {func(s *source, key resource.Key) {
			next, _ := s.outbox.next(context.Background(), 1)
			s.outbox.handed(next, s.store.Meta(key).Out.Dirty)
		}, func(s *source, tx *store.Tx, key resource.Key) { _, _ = s.receive(tx, status(key)) }, 1},
		"maybe sent in an earlier run": {func(s *source, _ resource.Key) { s.began = s.store.Revision() },
			func(s *source, tx *store.Tx, key resource.Key) { s.confirmOne(tx, tx.Meta(key)) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			engine(t, func(t *testing.T, s *source, put func(string) resource.Key) {
				key := put(`{}`)
				if c.before != nil {
					c.before(s, key)
				}
				update(t, s, func(tx *store.Tx) { c.shown(s, tx, key) })
				if m := s.store.Meta(key); m.Version != c.want || m.Out.Confirmed != (c.want == 1) || m.Out.Pending != (c.want == 2) {
					t.Fatalf("version %d, %+v", m.Version, m.Out)
				}
			})
		})
	}
}

// An id that was unknown and is declared by the time of sending is not deleted.
func TestUnknownIsForgottenOnceDeclared(t *testing.T) {
	engine(t, func(t *testing.T, s *source, put func(string) resource.Key) {
		next := shipment{key: put(`{}`), why: reason{unknown: true, version: 7}}
		_, e, err := s.load(context.Background(), &next)
		if err != nil || e == nil || e.DeletionTimestamp != nil || next.why.unknown {
			t.Fatalf("sends %+v, %v", e, err)
		}
		next = shipment{key: boxKey("c", 2), why: reason{unknown: true, version: 7}}
		_, e, err = s.load(context.Background(), &next)
		if err != nil || e == nil || e.DeletionTimestamp == nil || e.ResourceVersion != 7 || e.Type.Action != event.ResyncResponse {
			t.Fatalf("sends %+v, %v", e, err)
		}
	})
}

// Who waits for the end of a delete is told of it though the resource was made
// anew in the same moment.
func TestAwaitOfALifeThatHasEnded(t *testing.T) {
	engine(t, func(t *testing.T, s *source, put func(string) resource.Key) {
		key := put(`{}`)
		gone := make(chan *resource.Resource)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			res, err := s.Await(ctx, key, 1, resource.WaitObserved)
			if err != nil {
				t.Errorf("await: %v", err)
			}
			gone <- res
		}()
		synctest.Wait()
		update(t, s, func(tx *store.Tx) {
			s.forget(tx, *tx.Meta(key), tx.Now())
			_, _ = s.put(tx, resource.PutRequest{Key: key, Spec: resource.Payload{Data: []byte(`{}`), ContentType: resource.JSONContentType}})
		})
		if res := <-gone; res != nil || s.store.Meta(key).Version != 2 {
			t.Fatalf("the wait ended with %+v", res)
		}
	})
}

// The parts of a long list are all answered; of each the newest.
func TestRequestsInParts(t *testing.T) {
	engine(t, func(t *testing.T, s *source, _ func(string) resource.Key) {
		request := func(id, payload string) *event.Event {
			return &event.Event{ID: id, Source: "x", Payload: resource.Payload{Data: []byte(payload)}}
		}
		s.answers.add("c", request("1", `{"statusHashes":[{"resourceID":"a","statusHash":"h"}]}`))
		s.answers.add("c", request("2", `{"statusHashes":[{"resourceID":"m","statusHash":"h"}]}`))
		s.answers.add("c", request("3", `{"statusHashes":[{"resourceID":"a","statusHash":"i"}]}`))
		s.answers.add("c", request("4", `{"resourceVersions":[]}`))
		s.answers.add("c", request("5", `broken`))
		got := ""
		for e := s.answers.take(); e != nil; e = s.answers.take() {
			got += e.ID
		}
		if got != "325" {
			t.Fatalf("answered %s, want 325", got)
		}
	})
}

// A peer that has just come is asked about each data type.
func TestPeerThatComesIsAskedForAllDataTypes(t *testing.T) {
	engine(t, func(t *testing.T, s *source, _ func(string) resource.Key) {
		s.asks.begin()
		now := time.Now()
		for _, q := range s.asks.questions {
			q.schedule.Asked(now)
		}
		for _, d := range []resource.DataType{"a.v1.b", "a.v1.c"} {
			s.asks.heard("c", &event.Event{Type: event.Type{DataType: d, Sub: event.SubSpec, Action: event.ResyncRequest}, OriginalSource: "s"}, false)
		}
		due, _ := s.asks.due(now)
		if len(due) != 2 || due[0].peer != "c" || due[1].peer != "c" {
			t.Fatalf("%d questions are due: %+v", len(due), due)
		}
	})
}

// What is held over all clusters is bounded.
func TestHeldDeletesAreBounded(t *testing.T) {
	engine(t, func(t *testing.T, s *source, _ func(string) resource.Key) {
		total := 0
		for _, cluster := range []string{"c1", "c2", "c3"} {
			if err := s.guard.request(t.Context(), s.group(cluster, "a.v1.b"), make([]event.ResourceVersion, 60000), time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		for _, held := range s.guard.status() {
			total += held.Count
		}
		if total != mostHeldIDs {
			t.Fatalf("%d deletes are held, want %d", total, mostHeldIDs)
		}
	})
}

// The end of a session is no fault of the store.
func TestEndOfASessionDoesNotStall(t *testing.T) {
	engine(t, func(t *testing.T, s *source, _ func(string) resource.Key) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.storeAll(ctx, nil, nil, nil); err == nil {
			t.Fatal("stored though the session had ended")
		}
		if err := s.storeReady(); err != nil {
			t.Fatalf("not ready: %v", err)
		}
	})
}

// Times decide about lives; an event without one is of now.
func TestEventWithoutTimeIsOfNow(t *testing.T) {
	engine(t, func(t *testing.T, s *source, _ func(string) resource.Key) {
		e := &event.Event{Type: event.Type{DataType: "a.v1.b"}}
		s.Proxy.screen(transport.Delivery{Event: e})
		if !e.Time.Equal(time.Now()) {
			t.Fatalf("time %v", e.Time)
		}
	})
}

// What cannot be read is not gone: a watch must not say SYNCED without it.
func TestWatchThatCannotReadEnds(t *testing.T) {
	engine(t, func(t *testing.T, s *source, put func(string) resource.Key) {
		put(`{}`)
		if err := s.store.Close(); err != nil { // stands for any read that fails
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err := s.Watch(ctx, resource.WatchRequest{}, func(events []resource.WatchEvent) error {
			t.Errorf("told %+v", events)
			return nil
		})
		if resource.CodeOf(err) != resource.Unavailable {
			t.Errorf("it ends with %v", err)
		}
	})
}

// What comes late about a life that has ended is no news of the present one.
func TestLateEventsOfAnEarlierLife(t *testing.T) {
	const ready, deleted = `{"ready":true}`, `{"conditions":[{"type":"Deleted","status":"True"}]}`
	for name, late := range map[string]struct {
		version  int64
		sequence string
		status   string
		drop     string
		raised   bool
	}{
		"a status":                   {1, "", ready, dropAnotherLife, false},
		"a deletion":                 {1, "", deleted, dropAnotherLife, false},
		"an old sequence id":         {0, "1834773391719010304", ready, dropStale, false},
		"a newer sequence id":        {0, "1834773391723204608", ready, "", false},
		"a status of this life":      {2, "", ready, "", false},
		"a deletion in this life":    {2, "", deleted, "", true},
		"a deletion without version": {0, "", deleted, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			engine(t, func(t *testing.T, s *source, put func(string) resource.Key) {
				key := put(`{}`)
				receive := func(version int64, sequence, status string) (got outcome) {
					update(t, s, func(tx *store.Tx) {
						m := *tx.Meta(key)
						m.Out.Pending, m.Out.Left = false, true // the broker has taken it
						tx.Put(m, store.Write{})
						var err error
						got, err = s.receive(tx, &event.Event{Source: "agent", Cluster: key.Cluster, OriginalSource: "s",
							ResourceID: key.ID, ResourceVersion: version, SequenceID: sequence,
							Type:    event.Type{DataType: key.DataType, Sub: event.SubStatus, Action: event.UpdateRequest},
							Payload: resource.Payload{Data: []byte(status), ContentType: resource.JSONContentType}})
						if err != nil {
							t.Error(err)
						}
					})
					return got
				}
				receive(1, "1834773391719010304", ready)
				update(t, s, func(tx *store.Tx) { s.forget(tx, *tx.Meta(key), tx.Now()) })
				put(`{"life":2}`)
				if got := receive(late.version, late.sequence, late.status); got.drop != late.drop {
					t.Errorf("dropped as %q, want %q", got.drop, late.drop)
				}
				m := s.store.Meta(key)
				if m.HasStatus != (late.drop == "" && !late.raised) || (m.Version > m.BornVersion) != late.raised {
					t.Errorf("version %d of a life since %d, has status %v", m.Version, m.BornVersion, m.HasStatus)
				}
				// While it is being deleted, a confirmation counts whatever its version.
				if _, _, err := s.Delete(t.Context(), resource.DeleteRequest{Key: key}); err != nil {
					t.Fatal(err)
				}
				receive(1, "", deleted)
				if m := s.store.Meta(key); m.Visible() || m.Confirmed.IsZero() {
					t.Errorf("it is not gone: %+v", m)
				}
			})
		})
	}
}
