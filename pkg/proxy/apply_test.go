package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// applyItem is a good item of an apply.
func applyItem(id, spec string) resource.ApplyItem {
	return resource.ApplyItem{Put: resource.PutRequest{Key: resource.Key{DataType: devices, Cluster: cluster, ID: id},
		Spec: resource.Payload{Data: []byte(spec), ContentType: "application/json"}}}
}

// inBatches yields items two at a time, with their lines.
func inBatches(items ...resource.ApplyItem) iter.Seq2[[]resource.ApplyItem, error] {
	for i := range items {
		items[i].Line = i + 1
	}
	return func(yield func([]resource.ApplyItem, error) bool) {
		for batch := range slices.Chunk(items, 2) {
			if !yield(batch, nil) {
				return
			}
		}
	}
}

var thisScope = resource.Scope{DataType: devices, Cluster: cluster}

func (s *sidecar) apply(prune *resource.Scope, items ...resource.ApplyItem) resource.ApplyResult {
	s.t.Helper()
	result, err := s.Apply(context.Background(), resource.ApplyRequest{Prune: prune}, inBatches(items...))
	if err != nil {
		s.t.Fatalf("apply: %v", err)
	}
	synctest.Wait()
	return *result
}

// counted is the counts of a result.
func counted(r resource.ApplyResult) string {
	return fmt.Sprintf("%d applied, %d unchanged, %d deleted, %d failed", r.Applied, r.Unchanged, r.Deleted, r.Failed)
}

func wantCounts(t *testing.T, r resource.ApplyResult, want string) {
	t.Helper()
	if got := counted(r); got != want {
		t.Fatalf("%s, want %s: %+v", got, want, r.Errors)
	}
}

func TestApply(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		wantCounts(t, s.apply(nil, applyItem("a", `{}`), applyItem("b", `{}`), applyItem("c", `{}`)), "3 applied, 0 unchanged, 0 deleted, 0 failed")
		if sent := s.taken(); len(sent) != 3 {
			t.Fatalf("sent %s", describe(sent))
		}
		wantCounts(t, s.apply(nil, applyItem("a", ` { } `), applyItem("b", `{"n":1}`), applyItem("b", `{"n":2}`)), "2 applied, 1 unchanged, 0 deleted, 0 failed")
		if a, b := s.get("a"), s.get("b"); a.Version != 1 || b.Version != 3 || string(b.Spec) != `{"n":2}` {
			t.Fatalf("versions %d and %d, spec %s", a.Version, b.Version, b.Spec)
		}
	})
}

func TestApplyFailsItemsAlone(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.put("gone", `{}`)
		s.delete("gone", false)
		since := s.put("changed", `{}`).Revision
		s.put("changed", `{"n":1}`)
		change := func(item resource.ApplyItem, f func(*resource.PutRequest)) resource.ApplyItem {
			f(&item.Put)
			return item
		}
		result := s.apply(nil,
			applyItem("a", `{}`),
			applyItem("gone", `{}`),
			change(applyItem("changed", `{"n":2}`), func(r *resource.PutRequest) { r.IfMatch = &since }),
			change(applyItem("b", `{}`), func(r *resource.PutRequest) { r.Key.DataType = "com.example.v1.others" }),
			change(applyItem("c", `{}`), func(r *resource.PutRequest) { r.Metadata = []byte(`{"x":"` + strings.Repeat("x", 61<<10) + `"}`) }),
			resource.ApplyItem{Err: errors.New("not for callers")},
			applyItem("d", `{}`))
		wantCounts(t, result, "2 applied, 0 unchanged, 0 deleted, 5 failed")
		var told []string
		for _, e := range result.Errors {
			id := "?"
			if e.Key != nil {
				id = e.Key.ID
			}
			told = append(told, fmt.Sprint(e.Line, " ", id, " ", e.Code))
			if strings.Contains(e.Detail, "not for callers") {
				t.Errorf("line %d tells %q", e.Line, e.Detail)
			}
		}
		if want := []string{"2 gone deleting", "3 changed precondition_failed", "4 b invalid_argument", "5 c too_large", "6 ? internal"}; !slices.Equal(told, want) {
			t.Fatalf("told %q, want %q", told, want)
		}
		if s.get("a").Version != 1 || s.get("d").Version != 1 {
			t.Error("the good items were not all put")
		}
	})
}

func TestApplyPrunes(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		elsewhere := key("other")
		elsewhere.Cluster = "cluster2"
		_, _, err := s.Put(context.Background(), resource.PutRequest{Key: elsewhere, Spec: resource.Payload{Data: []byte(`{}`), ContentType: "application/json"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"kept", "surplus", "deleting"} {
			s.put(id, `{}`)
		}
		s.delete("deleting", false)
		s.taken()
		result, err := s.Apply(context.Background(), resource.ApplyRequest{Prune: &thisScope}, func(yield func([]resource.ApplyItem, error) bool) {
			s.put("meanwhile", `{}`) // by another caller
			yield([]resource.ApplyItem{applyItem("kept", `{}`), applyItem("new", `{}`)}, nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		wantCounts(t, *result, "1 applied, 1 unchanged, 1 deleted, 0 failed")
		if s.get("surplus").DeletionTimestamp == nil {
			t.Error("surplus is not being deleted")
		}
		for _, id := range []string{"kept", "new", "meanwhile"} {
			if s.get(id).DeletionTimestamp != nil {
				t.Errorf("%s is being deleted", id)
			}
		}
		if res, err := s.Get(context.Background(), elsewhere); err != nil || res.DeletionTimestamp != nil {
			t.Errorf("the other cluster's: %+v, %v", res, err)
		}
		if synced := s.Status().Store.Synced; !slices.Equal(synced, []resource.Scope{thisScope}) {
			t.Errorf("synced %+v", synced)
		}
		s.cut(false) // what never leaves is gone at once
		synctest.Wait()
		s.put("never left", `{}`)
		s.apply(&thisScope, applyItem("kept", `{}`))
		s.gone("never left")
	})
}

// A prune covers its own scope: what an agent holds beyond it is told to be
// deleted there, and nowhere else.
func TestPruneDeclaresItsOwnScope(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.deliver(specRequest(holds("unknown", 1)))
		other := specRequest(holds("unknown", 1))
		other.Cluster = "cluster2"
		s.deliver(other)
		none(t, s.taken())
		s.apply(&thisScope)
		if e := one(t, s.taken()); e.ResourceID != "unknown" || e.Cluster != cluster || e.DeletionTimestamp == nil {
			t.Fatalf("sent %s", describe([]*event.Event{e}))
		}
	})
}

func TestNothingIsPrunedUnlessAllIsGood(t *testing.T) {
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		s.put("a", `{}`)
		wantCounts(t, s.apply(&thisScope, applyItem("b", `{}`), resource.ApplyItem{Err: errors.New("bad")}), "1 applied, 0 unchanged, 0 deleted, 1 failed")
		cut := errors.New("cut")
		_, err := s.Apply(context.Background(), resource.ApplyRequest{Prune: &thisScope}, func(yield func([]resource.ApplyItem, error) bool) {
			_ = yield([]resource.ApplyItem{applyItem("c", `{}`)}, nil) && yield(nil, cut)
		})
		if !errors.Is(err, cut) {
			t.Errorf("error %v", err)
		}
		for _, id := range []string{"a", "b", "c"} {
			if s.get(id).DeletionTimestamp != nil {
				t.Errorf("%s is being deleted", id)
			}
		}
		if synced := s.Status().Store.Synced; len(synced) != 0 {
			t.Errorf("synced %+v", synced)
		}
	})
}

// A call that is refused asks for no items.
func TestApplyIsRefused(t *testing.T) {
	asked := func(yield func([]resource.ApplyItem, error) bool) { panic("asked for items") }
	story(t, resource.Agent, func(t *testing.T, s *sidecar) {
		if _, err := s.Apply(context.Background(), resource.ApplyRequest{}, asked); resource.CodeOf(err) != resource.Forbidden {
			t.Errorf("at an agent: %v", err)
		}
	})
	story(t, resource.Source, func(t *testing.T, s *sidecar) {
		scope := resource.Scope{DataType: "com.example.v1.others", Cluster: cluster}
		if _, err := s.Apply(context.Background(), resource.ApplyRequest{Prune: &scope}, asked); resource.CodeOf(err) != resource.InvalidArgument || err == nil {
			t.Errorf("of a foreign data type: %v", err)
		}
	})
}
