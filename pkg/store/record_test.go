package store_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// everything is a Meta with all fields of the caller's set.
func everything() store.Meta {
	at := time.Date(2026, 11, 21, 10, 20, 30, 405060708, time.UTC)
	return store.Meta{
		Key: key("full"), Version: 7, ContentType: "application/json", SpecTime: at, BornTime: at.Add(1), BornVersion: 3,
		Deleting: at.Add(2), DeleteTime: at.Add(3), Confirmed: at.Add(4),
		StatusVersion: 6, SequenceID: 1 << 60, StatusHash: "abc", RawHash: "def", HasStatus: true,
		Alias: "other",
		Out: store.Outbox{
			Pending: true, Dirty: 4, Left: true, Confirmed: true, NoSubscribers: true, PublishedVersion: 5,
			PublishedAt: at.Add(5), ObservedAt: at.Add(6), Error: "é <&>", Raises: []int64{1, 2},
		},
		Queue: store.Marks{Queued: 9, Done: 8, Reasons: []string{"created"}, Dead: &store.Dead{At: at, Attempts: 4, Error: "no"}},
		Next:  &store.NextSpec{Version: 8, Time: at.Add(7), ContentType: "text/plain"},
	}
}

func TestEveryFieldSurvivesAReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	var stored *store.Meta
	update(t, s, func(tx *store.Tx) {
		stored = tx.Put(everything(), store.Write{
			Visible: true, SpecChanged: true,
			Spec: payload("spec"), Metadata: payload("metadata"), Status: payload("status"),
			NextSpec: payload("next spec"), NextMetadata: payload("next metadata"), Local: payload("local"),
		})
	})
	want := everything()
	want.Revision, want.SpecRevision, want.CreatedRevision = s.Revision(), s.Revision(), s.Revision()
	want.ObjectRevision = s.Revision()
	if !reflect.DeepEqual(*stored, want) {
		t.Errorf("Put returned %+v, want %+v", *stored, want)
	}
	closeStore(t, s)

	s = open(t, dir)
	if got := s.Meta(key("full")); !reflect.DeepEqual(*got, want) {
		t.Errorf("the index has %+v, want %+v", *got, want)
	}
	r, err := s.Get(key("full"))
	if err != nil {
		t.Fatal(err)
	}
	full := &store.Record{
		Meta: &want, Spec: []byte("spec"), Metadata: []byte("metadata"), Status: []byte("status"),
		NextSpec: []byte("next spec"), NextMetadata: []byte("next metadata"), Local: []byte("local"),
	}
	if !reflect.DeepEqual(r, full) {
		t.Errorf("got %+v, want %+v", r, full)
	}
}

func TestEmptyListsAreNone(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	update(t, s, func(tx *store.Tx) {
		m := tx.Put(store.Meta{
			Key: key("a"), Out: store.Outbox{Raises: []int64{}}, Queue: store.Marks{Reasons: []string{}},
		}, store.Write{Visible: true})
		if m.Out.Raises != nil || m.Queue.Reasons != nil {
			t.Error("an empty list was kept")
		}
	})
	closeStore(t, s)
	open(t, dir) // whose check compares index and file
}

func TestPayloadsAreKeptReplacedAndRemoved(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, key("a"), 1, "spec")
	update(t, s, func(tx *store.Tx) {
		tx.Put(*tx.Meta(key("a")), store.Write{Status: payload("status"), Metadata: payload("{}")})
	})
	update(t, s, func(tx *store.Tx) {
		tx.Put(*tx.Meta(key("a")), store.Write{Status: payload("newer"), Metadata: new([]byte)})
	})
	r, err := s.Get(key("a"))
	if err != nil {
		t.Fatal(err)
	}
	if string(r.Spec) != "spec" || string(r.Status) != "newer" || r.Metadata != nil {
		t.Errorf("got spec %q, status %q, metadata %q", r.Spec, r.Status, r.Metadata)
	}
	update(t, s, func(tx *store.Tx) { tx.Remove(key("a")) })
	update(t, s, func(tx *store.Tx) { putTx(tx, key("a"), 1, "anew") })
	if r, err := s.Get(key("a")); err != nil || r.Status != nil {
		t.Errorf("the new one has status %q of the old: %v", r.Status, err)
	}
}

func TestRevisionsOfALife(t *testing.T) {
	s := open(t, t.TempDir())
	start := s.Revision()
	k := key("a")
	visible := func(tx *store.Tx, specChanged bool, change func(*store.Meta)) *store.Meta {
		m := *tx.Meta(k)
		change(&m)
		return tx.Put(m, store.Write{Visible: true, SpecChanged: specChanged})
	}
	steps := []struct {
		name                    string
		do                      func(tx *store.Tx) *store.Meta
		revision, spec, created resource.Revision // above start; 0 = none
		last                    resource.Revision // of the store
	}{
		{"added", func(tx *store.Tx) *store.Meta { return putTx(tx, k, 1, "x") }, 1, 1, 1, 1},
		{"status", func(tx *store.Tx) *store.Meta { return visible(tx, false, func(m *store.Meta) { m.HasStatus = true }) }, 2, 1, 1, 2},
		{"silent", func(tx *store.Tx) *store.Meta { return tx.Put(*tx.Meta(k), store.Write{}) }, 2, 1, 1, 2},
		{"taken", func(tx *store.Tx) *store.Meta {
			if next, got := tx.NextRevision(), tx.TakeRevision(); got != next || got != start+3 {
				t.Errorf("took %d, announced %d, want %d", got, next, start+3)
			}
			return tx.Meta(k)
		}, 2, 1, 1, 2},
		{"spec", func(tx *store.Tx) *store.Meta { return visible(tx, true, func(m *store.Meta) { m.Version = 2 }) }, 4, 4, 1, 4},
		{"gone", func(tx *store.Tx) *store.Meta { return visible(tx, true, func(m *store.Meta) { m.Gone = tx.Now() }) }, 5, 5, 1, 5},
		{"confirmed", func(tx *store.Tx) *store.Meta {
			return visible(tx, false, func(m *store.Meta) { m.Confirmed = tx.Now() })
		}, 5, 5, 1, 5},
		{"born again, without a word", func(tx *store.Tx) *store.Meta {
			return tx.Put(store.Meta{Key: k, Version: 3}, store.Write{})
		}, 6, 6, 6, 6},
		{"hidden, without a word", func(tx *store.Tx) *store.Meta {
			return tx.Put(store.Meta{Key: k, Gone: tx.Now()}, store.Write{})
		}, 7, 6, 6, 7},
		{"a tombstone from nothing", func(tx *store.Tx) *store.Meta {
			tx.Remove(k)
			return tx.Put(store.Meta{Key: k, Gone: tx.Now(), Revision: 99}, store.Write{Visible: true})
		}, 0, 0, 0, 7},
	}
	for _, step := range steps {
		var m *store.Meta
		update(t, s, func(tx *store.Tx) { m = step.do(tx) })
		want := []resource.Revision{start + step.revision, start + step.spec, start + step.created}
		if step.revision == 0 {
			want = []resource.Revision{0, 0, 0}
		}
		if got := []resource.Revision{m.Revision, m.SpecRevision, m.CreatedRevision}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: revisions are %d, want %d", step.name, got, want)
		}
		if got := s.Meta(k); got != m {
			t.Errorf("%s: the index has %+v, Put returned %+v", step.name, got, m)
		}
		if got := s.Revision(); got != start+step.last {
			t.Errorf("%s: the store has revision %d, want %d", step.name, got, start+step.last)
		}
	}
}

func TestTakenRevisionsSurviveAReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	var taken resource.Revision
	update(t, s, func(tx *store.Tx) { taken = tx.TakeRevision() })
	closeStore(t, s)
	s = open(t, dir)
	if got := put(t, s, key("a"), 1, "x").Revision; got != taken+1 {
		t.Errorf("revision is %d after %d was taken", got, taken)
	}
	if _, err := s.Changes(taken, 0); err != nil {
		t.Errorf("changes since a taken revision: %v", err)
	}
}

func TestSettingsSurviveAReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	value := []byte("value")
	update(t, s, func(tx *store.Tx) {
		tx.SetSetting("kept", value)
		tx.SetSetting("empty", []byte{})
		tx.SetSetting("removed", []byte("x"))
	})
	value[0] = 'X'
	update(t, s, func(tx *store.Tx) { tx.SetSetting("removed", nil) })
	s.Setting("kept")[1] = 'X'
	for range 2 {
		if got := string(s.Setting("kept")); got != "value" {
			t.Errorf("setting is %q", got)
		}
		if got := s.Setting("empty"); got == nil || len(got) != 0 {
			t.Errorf("empty setting is %v", got)
		}
		if s.Setting("removed") != nil || s.Setting("never") != nil {
			t.Error("a setting came from nowhere")
		}
		closeStore(t, s)
		s = open(t, dir)
	}
	for _, name := range []string{"", strings.Repeat("x", 40_000)} {
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			tx.SetSetting(name, value)
			return nil
		})
		wantCode(t, err, resource.InvalidArgument)
	}
}
