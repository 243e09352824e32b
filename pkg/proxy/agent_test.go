package proxy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/transport"
)

// specOf is what a source sends; an empty spec is a delete.
func specOf(id string, version int64, spec string) *event.Event {
	e := &event.Event{Source: hub, Cluster: cluster, ResourceID: id, ResourceVersion: version, Time: time.Now(),
		Type: event.Type{DataType: devices, Sub: event.SubSpec, Action: event.UpdateRequest}}
	if spec == "" {
		now := time.Now()
		e.Type.Action, e.DeletionTimestamp = event.DeleteRequest, &now
		return e
	}
	e.Payload = resource.Payload{Data: []byte(spec), ContentType: "application/json"}
	return e
}

// statusRequest is a source's status resync request, of "id", "hash" pairs.
func statusRequest(pairs ...string) *event.Event {
	data := `{"statusHashes":[`
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			data += ","
		}
		data += fmt.Sprintf(`{"resourceID":%q,"statusHash":%q}`, pairs[i], pairs[i+1])
	}
	return &event.Event{Source: hub, Cluster: cluster,
		Type:    event.Type{DataType: devices, Sub: event.SubStatus, Action: event.ResyncRequest},
		Payload: resource.Payload{Data: []byte(data + "]}"), ContentType: "application/json"}}
}

func (s *sidecar) lease() []resource.LeaseItem {
	s.t.Helper()
	synctest.Wait()
	items, err := s.Lease(context.Background(), resource.LeaseRequest{Queue: "resources", Max: 100, LeaseFor: time.Minute})
	if err != nil {
		s.t.Fatalf("lease: %v", err)
	}
	return items
}

func (s *sidecar) leaseOne() resource.LeaseItem {
	s.t.Helper()
	items := s.lease()
	if len(items) != 1 {
		s.t.Fatalf("leased %d items, want 1: %+v", len(items), items)
	}
	return items[0]
}

func (s *sidecar) answerLease(item resource.LeaseItem, r resource.WorkResult) {
	s.t.Helper()
	if err := s.Answer(context.Background(), item.Lease, r); err != nil {
		s.t.Fatalf("answer %s: %v", item.Key.ID, err)
	}
}

func (s *sidecar) idle() {
	s.t.Helper()
	if items := s.lease(); len(items) != 0 {
		s.t.Fatalf("leased %+v, want nothing", items)
	}
}

func TestAgentTakesSpecReportsStatusFinishesDeletion(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		s.deliver(specOf("a", 1, `{"x":1}`))
		item := s.leaseOne()
		if item.Attempt != 1 || !slices.Equal(item.Reasons, []string{"created"}) || string(item.Object.Spec) != `{"x":1}` {
			t.Fatalf("leased %+v", item)
		}
		s.idle()
		s.answerLease(item, resource.WorkResult{Status: []byte(`{"ok":true}`)})
		e := one(t, s.taken())
		hash, _ := event.StatusHash([]byte(`{"ok":true}`))
		if e.ResourceVersion != 1 || e.OriginalSource != hub || e.Source != agentID || e.StatusHash != hash || e.SequenceID == "" {
			t.Fatalf("sent %+v", e)
		}
		s.idle()
		s.deliver(specOf("a", 1, `{"x":1}`)) // the source repeats itself
		s.idle()
		s.deliver(specOf("a", 2, `{"x":1}`)) // raised: the app reports on the new version
		item = s.leaseOne()
		s.answerLease(item, resource.WorkResult{Status: []byte(`{"ok":true}`)})
		if e := one(t, s.taken()); e.ResourceVersion != 2 {
			t.Fatalf("sent %s", describe([]*event.Event{e}))
		}
		s.deliver(specOf("a", 2, ""))
		item = s.leaseOne()
		if item.Object.DeletionTimestamp == nil || string(item.Object.Spec) != `{"x":1}` {
			t.Fatalf("leased %+v: a deletion shows the last spec", item.Object)
		}
		s.answerLease(item, resource.WorkResult{}) // done, but not cleaned up
		s.get("a")
		time.Sleep(time.Second)
		item = s.leaseOne()
		s.answerLease(item, resource.WorkResult{Deleted: true})
		if e := one(t, s.taken()); !event.IsDeleted(e.Payload.Data) {
			t.Fatalf("sent %s", e.Payload.Data)
		}
		s.gone("a")
		s.idle()
	})
}

func TestAgentRulesOfOrder(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		spec := func(want string) {
			t.Helper()
			if got := string(s.get("a").Spec); got != want {
				t.Fatalf("spec %s, want %s", got, want)
			}
		}
		s.deliver(specOf("a", 5, `{"v":5}`))
		s.deliver(specOf("a", 4, `{"v":4}`))
		spec(`{"v":5}`)
		changed := specOf("a", 5, `{"v":5}`)
		changed.Metadata = `{"labels":{"x":"y"}}`
		s.deliver(changed)
		if got := string(s.get("a").Metadata); got != changed.Metadata {
			t.Fatalf("metadata %s: a label change travels with an unchanged version", got)
		}
		s.deliver(specOf("a", 0, `{"v":0}`)) // a source without versions is always newer
		spec(`{"v":0}`)
		s.deliver(specOf("a", 3, `{"v":3}`))
		spec(`{"v":3}`)
		broken := specOf("a", 9, `{"v":`)
		elsewhere := specOf("a", 9, `{"v":9}`)
		elsewhere.Cluster = "cluster2"
		s.deliver(broken, elsewhere)
		spec(`{"v":3}`)
		other := specOf("a", 9, "")
		other.Source = "hub2"
		s.deliver(other) // not its owner
		if s.get("a").DeletionTimestamp != nil {
			t.Fatal("deleted by a source that does not own it")
		}
	})
}

func TestAgentNothingComesBackFromTheDead(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		early := specOf("a", 1, `{"life":1}`)
		s.deliver(early)
		time.Sleep(time.Second)
		del := specOf("a", 1, "")
		s.deliver(del)
		s.deliver(early) // late, while deleting
		if s.get("a").DeletionTimestamp == nil {
			t.Fatal("a late spec undid a deletion")
		}
		s.delete("a", false)
		one(t, s.taken())
		s.deliver(early) // late, after it is gone
		s.gone("a")
		s.deliver(del) // the source has not heard the confirmation
		if e := one(t, s.taken()); !event.IsDeleted(e.Payload.Data) {
			t.Fatalf("sent %s, want the confirmation again", e.Payload.Data)
		}
		s.gone("a")
		time.Sleep(time.Second)
		s.deliver(specOf("a", 2, `{"life":2}`))
		s.deliver(del) // of the earlier life, and late
		if s.get("a").DeletionTimestamp != nil {
			t.Fatal("a late delete of an earlier life was taken")
		}
	})
}

// A source whose clock was set back after a delete says by versions what
// followed it.
func TestAgentTakesTheNextLifeFromASourceWhoseClockWentBack(t *testing.T) {
	const back = -48 * time.Hour
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		old := specOf("a", 2, `{"life":1}`)
		s.deliver(old)
		time.Sleep(time.Second)
		s.deliver(specOf("a", 2, ""))
		next := func(version int64) *event.Event {
			e := specOf("a", version, fmt.Sprintf(`{"v":%d}`, version))
			e.Time = e.Time.Add(back)
			return e
		}
		s.deliver(next(3), next(4), next(3), old) // while it is being deleted
		s.delete("a", false)
		if res := s.get("a"); res.Version != 4 || res.DeletionTimestamp != nil {
			t.Fatalf("version %d, deleting %v", res.Version, res.DeletionTimestamp)
		}
		time.Sleep(time.Second)
		s.deliver(specOf("a", 4, ""))
		s.delete("a", false)
		s.gone("a")
		s.deliver(next(4), old) // late
		s.gone("a")
		s.deliver(next(5))
		if res := s.get("a"); res.Version != 5 {
			t.Fatalf("version %d", res.Version)
		}
	})
}

// What is answered about a life that has ended does not touch the next one.
func TestAgentAnswerOfAnEarlierLife(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		s.deliver(specOf("a", 1, `{"life":1}`))
		item := s.leaseOne()
		s.deliver(specOf("a", 1, ""))
		s.delete("a", false)
		time.Sleep(time.Second)
		s.deliver(specOf("a", 2, `{"life":2}`))
		time.Sleep(time.Second)
		s.answerLease(item, resource.WorkResult{Status: []byte(`{"life":1}`)})
		if res := s.get("a"); res.Version != 2 || len(res.Status) != 0 {
			t.Fatalf("version %d, status %s", res.Version, res.Status)
		}
		s.answerLease(s.leaseOne(), resource.WorkResult{})
	})
}

// A status that changes while the one before is on its way is sent after it.
func TestAgentSendsWhatChangedOnTheWay(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		release := make(chan struct{})
		s.answer(func(*event.Event) (transport.Receipt, error) {
			<-release
			return transport.Receipt{}, nil
		})
		s.deliver(specOf("a", 1, `{}`))
		for _, status := range []string{`{"n":1}`, `{"n":2}`} {
			if _, err := s.SetStatus(context.Background(), resource.StatusRequest{Key: key("a"), Status: []byte(status)}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		close(release)
		if sent := s.taken(); len(sent) != 2 || string(sent[1].Payload.Data) != `{"n":2}` {
			t.Fatalf("sent %s", describe(sent))
		}
	})
}

func TestAgentKeepsTheNextLifeAside(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		s.deliver(specOf("a", 1, `{"life":1}`))
		s.deliver(specOf("a", 1, ""))
		time.Sleep(time.Second)
		s.deliver(specOf("a", 2, `{"life":2}`))
		res := s.get("a")
		if res.DeletionTimestamp == nil || string(res.Spec) != `{"life":1}` {
			t.Fatalf("the app sees %s before it has cleaned up", res.Spec)
		}
		s.restart()
		s.answer(func(*event.Event) (transport.Receipt, error) { return transport.Receipt{NoSubscribers: true}, nil })
		item := s.leaseOne()
		s.answerLease(item, resource.WorkResult{Deleted: true})
		s.gone("a") // until the source is told
		s.answer(nil)
		s.taken()
		time.Sleep(2 * time.Second)
		s.deliver(statusRequest())
		time.Sleep(2 * time.Second)
		res = s.get("a")
		if res.DeletionTimestamp != nil || string(res.Spec) != `{"life":2}` || res.Version != 2 {
			t.Fatalf("the next life is %s, version %d", res.Spec, res.Version)
		}
		if item := s.leaseOne(); item.Object.Version != 2 || item.Attempt != 1 {
			t.Fatalf("leased %+v", item)
		}
	})
}

func TestAgentHandsADeleteOfWhatItLostToItsApp(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		s.deliver(specOf("lost", 7, ""))
		item := s.leaseOne()
		if item.Object == nil || item.Object.DeletionTimestamp == nil || len(item.Object.Spec) != 0 || item.Object.Version != 7 {
			t.Fatalf("leased %+v", item.Object)
		}
		s.answerLease(item, resource.WorkResult{Deleted: true})
		if e := one(t, s.taken()); !event.IsDeleted(e.Payload.Data) || e.ResourceVersion != 7 {
			t.Fatalf("sent %+v", e)
		}
	})
}

func TestAgentAnswersStatusResync(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		for _, id := range []string{"same", "other", "unlisted"} {
			s.deliver(specOf(id, 1, `{}`))
		}
		s.deliver(specOf("silent", 1, `{}`))
		for _, item := range s.lease() {
			if item.Key.ID != "silent" {
				s.answerLease(item, resource.WorkResult{Status: []byte(`{"b":1,"a":2}`)})
			}
		}
		if n := len(s.taken()); n != 3 {
			t.Fatalf("sent %d statuses", n)
		}
		s.get("same")
		sorted, _ := event.StatusHash([]byte(`{"b":1,"a":2}`))
		raw := event.RawStatusHash([]byte(`{"b":1,"a":2}`))
		s.deliver(statusRequest("same", sorted, "other", "x", "silent", ""))
		if e := one(t, s.taken()); e.ResourceID != "other" || e.Type.Action != event.ResyncResponse {
			t.Fatalf("answered %s", describe([]*event.Event{e}))
		}
		s.deliver(statusRequest("same", raw))
		none(t, s.taken())
		s.get("same")
		everybody := statusRequest()
		everybody.Cluster = ""
		s.deliver(everybody)
		if n := len(s.taken()); n != 3 {
			t.Fatalf("an empty list was answered with %d statuses, want 3", n)
		}
	})
}

func TestAgentAsksWithAllThatItHolds(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		if e := one(t, s.requests()); e.OriginalSource != "" || string(e.Payload.Data) != `{"resourceVersions":[]}` {
			t.Fatalf("asked %q: %s", e.OriginalSource, e.Payload.Data)
		}
		s.deliver(specOf("a", 3, `{}`))
		none(t, s.requests())
		s.cut(true)
		time.Sleep(time.Second)
		want := `{"resourceVersions":[{"resourceID":"a","resourceVersion":3,"source":"hub1"}]}`
		if e := one(t, s.requests()); e.OriginalSource != "" || string(e.Payload.Data) != want {
			t.Fatalf("asked %q: %s", e.OriginalSource, e.Payload.Data)
		}
		time.Sleep(8 * time.Second)
		if e := one(t, s.requests()); e.OriginalSource != hub {
			t.Fatalf("the repeat goes to %q", e.OriginalSource)
		}
		s.deliver(specOf("a", 3, `{}`))
		time.Sleep(24 * time.Hour)
		if n := len(s.requests()); n < 5 || n > 20 {
			t.Fatalf("asked %d times in a day, want the interval to double up to 6 h", n)
		}
	})
}

func TestAgentWorkIsDurable(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		s.deliver(specOf("done", 1, `{}`), specOf("open", 1, `{}`), specOf("failed", 1, `{}`))
		for _, item := range s.lease() {
			switch item.Key.ID {
			case "done":
				s.answerLease(item, resource.WorkResult{})
			case "failed":
				s.answerLease(item, resource.WorkResult{Result: resource.ResultFailed})
			}
		}
		s.restart()
		var ids []string
		for _, item := range s.lease() {
			ids = append(ids, item.Key.ID)
		}
		slices.Sort(ids)
		if !slices.Equal(ids, []string{"failed", "open"}) {
			t.Fatalf("after a restart the queue holds %v", ids)
		}
	})
}

func TestLeasesAndTheirAnswers(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		ctx := context.Background()
		s.deliver(specOf("a", 1, `{}`))
		item := s.leaseOne()
		s.deliver(specOf("a", 2, `{"v":2}`)) // while it is leased
		s.idle()
		s.answerLease(item, resource.WorkResult{Status: []byte(`{"seen":1}`)})
		if res := s.get("a"); res.StatusVersion != 1 {
			t.Fatalf("the status is about version %d, want 1: what was leased", res.StatusVersion)
		}
		item = s.leaseOne()
		if item.Object.Version != 2 {
			t.Fatalf("leased version %d", item.Object.Version)
		}
		if err := s.Answer(ctx, "unknown", resource.WorkResult{}); resource.CodeOf(err) != resource.NotFound {
			t.Fatalf("unknown lease: %v", err)
		}
		if err := s.Answer(ctx, item.Lease, resource.WorkResult{Deleted: true}); resource.CodeOf(err) != resource.Conflict {
			t.Fatalf("confirming what is not being deleted: %v", err)
		}
		time.Sleep(61 * time.Second) // it lapses
		if err := s.Answer(ctx, item.Lease, resource.WorkResult{}); resource.CodeOf(err) != resource.NotFound {
			t.Fatalf("lapsed lease: %v", err)
		}
		item = s.leaseOne()
		if item.Attempt != 2 || !slices.Contains(item.Reasons, "retry") {
			t.Fatalf("leased again with attempt %d, %v", item.Attempt, item.Reasons)
		}
		s.answerLease(item, resource.WorkResult{Result: resource.ResultFailed, NoRetry: true, Error: "cannot"})
		s.get("a")
		s.idle()
		if dead, _ := s.Dead("resources"); len(dead) != 1 || dead[0].Error != "cannot" {
			t.Fatalf("dead: %+v", dead)
		}
		if n, err := s.RetryDead(ctx, resource.RequeueRequest{Queue: "resources", All: true}); n != 1 || err != nil {
			t.Fatalf("retry of the dead: %d, %v", n, err)
		}
		item = s.leaseOne()
		s.answerLease(item, resource.WorkResult{RequeueAfter: time.Hour})
		time.Sleep(59 * time.Minute)
		s.idle()
		time.Sleep(2 * time.Minute)
		item = s.leaseOne()
		if !slices.Equal(item.Reasons, []string{"requeued"}) {
			t.Fatalf("what wanted to be looked at again comes with %v", item.Reasons)
		}
		s.deliver(specOf("a", 3, `{"v":3}`)) // while it is leased
		s.answerLease(item, resource.WorkResult{RequeueAfter: time.Hour})
		item = s.leaseOne()
		if !slices.Contains(item.Reasons, "updated") {
			t.Fatalf("what has changed comes with %v", item.Reasons)
		}
		s.answerLease(item, resource.WorkResult{})
		if n, err := s.Requeue(ctx, resource.RequeueRequest{Queue: "resources", All: true}); n != 1 || err != nil {
			t.Fatalf("requeue: %d, %v", n, err)
		}
		if item := s.leaseOne(); !slices.Contains(item.Reasons, "requeued") {
			t.Fatalf("requeued with %v", item.Reasons)
		}
	})
}

// A source that kept no versions for a while may go on below the version that
// the status held is about.
func TestAgentStatusOfALowerVersionThatCameLater(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		report := func() *event.Event {
			t.Helper()
			if _, err := s.SetStatus(context.Background(), resource.StatusRequest{Key: key("a"), Status: []byte(`{}`)}); err != nil {
				t.Fatal(err)
			}
			return one(t, s.taken())
		}
		s.deliver(specOf("a", 5, `{"v":5}`))
		report()
		s.deliver(specOf("a", 0, `{"v":0}`), specOf("a", 3, `{"v":3}`))
		if e := report(); e.ResourceVersion != 3 {
			t.Fatalf("sent %s", describe([]*event.Event{e}))
		}
	})
}

func TestAgentStatusGuards(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		ctx := context.Background()
		set := func(version int64, status string) error {
			_, err := s.SetStatus(ctx, resource.StatusRequest{Key: key("a"), Version: version, Status: []byte(status)})
			return err
		}
		if err := set(0, `{}`); resource.CodeOf(err) != resource.NotFound {
			t.Errorf("status of nothing: %v", err)
		}
		s.deliver(specOf("a", 2, `{}`), specOf("a", 3, `{"v":3}`))
		for name, c := range map[string]struct {
			version int64
			status  string
			want    resource.Code
		}{
			"ahead":       {4, `{}`, resource.Conflict},
			"not object":  {0, `[]`, resource.InvalidArgument},
			"not JSON":    {0, `{`, resource.InvalidArgument},
			"not deleted": {0, deletedStatus, resource.Conflict},
		} {
			if err := set(c.version, c.status); resource.CodeOf(err) != c.want || err == nil {
				t.Errorf("%s: %v, want %s", name, err, c.want)
			}
		}
		if err := set(3, `{"n":1}`); err != nil {
			t.Fatal(err)
		}
		if err := set(2, `{"n":1}`); resource.CodeOf(err) != resource.Conflict {
			t.Errorf("behind: %v", err)
		}
		one(t, s.taken())
		if err := set(3, `{ "n":1 }`); err != nil {
			t.Fatal(err)
		}
		none(t, s.taken()) // nothing has changed
		two := specOf("a", 1, `{}`)
		two.Source = "hub2"
		s.deliver(two)
		k := key("a")
		k.Source = ""
		if _, err := s.Get(ctx, k); resource.CodeOf(err) != resource.Ambiguous || !strings.Contains(err.Error(), "hub1, hub2") {
			t.Errorf("two sources have that id: %v", err)
		}
		if _, _, err := s.Delete(ctx, resource.DeleteRequest{Key: key("a")}); resource.CodeOf(err) != resource.Conflict {
			t.Errorf("deleting what its source wants: %v", err)
		}
		if _, _, err := s.Put(ctx, resource.PutRequest{Key: key("a")}); resource.CodeOf(err) != resource.Forbidden {
			t.Errorf("put at an agent: %v", err)
		}
	})
}

// What a list by state, the counts and the resources say is the same.
func TestAgentStates(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		ctx := context.Background()
		s.deliver(specOf("silent", 1, `{}`), specOf("told", 1, `{}`), specOf("late", 1, `{}`), specOf("leaving", 1, `{}`))
		set := func(id string) {
			t.Helper()
			if _, err := s.SetStatus(ctx, resource.StatusRequest{Key: key(id), Status: []byte(`{}`)}); err != nil {
				t.Fatal(err)
			}
		}
		set("told")
		s.deliver(specOf("leaving", 1, ""))
		s.get("told")
		s.cut(false)
		set("late")
		for id, want := range map[string]resource.SyncState{
			"silent": resource.Published, "told": resource.Published, "late": resource.Pending, "leaving": resource.Deleting,
		} {
			res := s.get(id)
			if res.Sync.State != want || (res.Sync.PublishedVersion != 0) != (id == "told") {
				t.Errorf("%s: %+v, want %s", id, res.Sync, want)
			}
			list, err := s.List(ctx, resource.ListRequest{State: want})
			if err != nil || !slices.ContainsFunc(list.Items, func(r *resource.Resource) bool { return r.ID == id }) {
				t.Errorf("%s is not in the list of %s: %v", id, want, err)
			}
		}
		if got, want := s.Status().Resources, (resource.ResourceCounts{Total: 4, Published: 2, Pending: 1, Deleting: 1}); got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
	})
}

// Who confirms a deletion can wait until the broker has taken that word.
func TestAgentAwaitsThatADeletionIsTold(t *testing.T) {
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		s.deliver(specOf("a", 1, `{}`), specOf("a", 1, ""))
		s.cut(false)
		if !s.delete("a", false) {
			t.Fatal("a confirmation is done at once")
		}
		k := key("a")
		k.Source = ""
		await := func(state resource.WaitFor) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, err := s.Await(ctx, k, 0, state)
			return err
		}
		if err := await(resource.WaitObserved); err != nil {
			t.Fatalf("await that it is gone: %v", err)
		}
		if err := await(resource.WaitPublished); resource.CodeOf(err) != resource.DeadlineExceeded {
			t.Fatalf("await published without a broker: %v", err)
		}
		s.up()
		time.Sleep(10 * time.Second)
		if err := await(resource.WaitPublished); err != nil {
			t.Fatalf("await published: %v", err)
		}
		one(t, s.taken())
	})
}
