package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

const dataType = "com.example.fleet.v1alpha1.devices"

// key is that of a resource with usual names.
func key(id string) resource.Key {
	return resource.Key{DataType: dataType, Source: "hub1", Cluster: "cluster1", ID: id}
}

// open opens a store in dir for the length of the test, and checks it at the
// end.
func open(t testing.TB, dir string, change ...func(*store.Options)) *store.Store {
	t.Helper()
	o := store.Options{Dir: dir, Sync: true}
	for _, fn := range change {
		fn(&o)
	}
	s, err := store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func noSync(o *store.Options) { o.Sync = false }

func history(n int) func(*store.Options) {
	return func(o *store.Options) { o.History = n }
}

// closeStore checks and closes a store that may be closed already.
func closeStore(t testing.TB, s *store.Store) {
	t.Helper()
	if err := s.Check(); err != nil && resource.CodeOf(err) != resource.Unavailable {
		t.Errorf("check: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// update is an update that must not fail.
func update(t testing.TB, s *store.Store, fn func(*store.Tx)) {
	t.Helper()
	err := s.Update(context.Background(), func(tx *store.Tx) error {
		fn(tx)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// put stores a visible record with that version and spec.
func put(t testing.TB, s *store.Store, k resource.Key, version int64, spec string) *store.Meta {
	t.Helper()
	var m *store.Meta
	update(t, s, func(tx *store.Tx) { m = putTx(tx, k, version, spec) })
	return m
}

func putTx(tx *store.Tx, k resource.Key, version int64, spec string) *store.Meta {
	return tx.Put(store.Meta{Key: k, Version: version}, store.Write{Visible: true, SpecChanged: true, Spec: payload(spec)})
}

// bury makes a tombstone of a record.
func bury(tx *store.Tx, k resource.Key) *store.Meta {
	m := *tx.Meta(k)
	m.Gone = tx.Now()
	return tx.Put(m, store.Write{Visible: true, SpecChanged: true, Spec: payload(""), Status: payload("")})
}

func payload(s string) *[]byte {
	b := []byte(s)
	return &b
}

// spec is that of a record that must be there.
func spec(t testing.TB, s *store.Store, k resource.Key) string {
	t.Helper()
	r, err := s.Get(k)
	if err != nil {
		t.Error(err)
		return ""
	}
	return string(r.Spec)
}

func wantCode(t testing.TB, err error, code resource.Code) {
	t.Helper()
	if err == nil || resource.CodeOf(err) != code {
		t.Errorf("got error %v, want one with code %s", err, code)
	}
}

func ids(records []*store.Record) (ids []string) {
	for _, r := range records {
		ids = append(ids, r.Key.ID)
	}
	return ids
}

// line is a history entry in short.
func line(e store.LogEntry) string {
	state := "gone"
	if e.Record != nil {
		state = string(e.Record.Spec)
	}
	return fmt.Sprintf("%s %s %s", e.Kind, e.Key.ID, state)
}

// within fails the test if done is not closed soon.
func within(t testing.TB, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatalf("timed out: %s", what)
	}
}
