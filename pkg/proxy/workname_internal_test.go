package proxy

import (
	"context"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// An event that calls a work by another name does not change the one by which it
// is known here, until its next life.
func TestAWorkKeepsTheNameThatItCameWith(t *testing.T) {
	st, err := store.Open(store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	p, err := New(Options{Role: resource.Agent, ID: "a", Cluster: "c", Store: st,
		Live: Live{DataTypes: manifestwork.DataTypes(), Works: Works{Enabled: true}}})
	if err != nil {
		t.Fatal(err)
	}
	key := resource.Key{DataType: manifestwork.Bundles, Source: "s", Cluster: "c", ID: "id-1"}
	receive := func(version int64, name string, deleting bool, want string) {
		t.Helper()
		e := &event.Event{Source: "s", Cluster: "c", ResourceID: key.ID, ResourceVersion: version, Time: time.Now(),
			Type:     event.Type{DataType: key.DataType, Sub: event.SubSpec, Action: event.UpdateRequest},
			Metadata: `{"name":"` + name + `"}`, Payload: resource.Payload{Data: []byte(`{}`), ContentType: resource.JSONContentType}}
		if deleting {
			e.DeletionTimestamp = &e.Time
		}
		err := st.Update(context.Background(), func(tx *store.Tx) error {
			_, err := p.side.receive(tx, e)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := st.Meta(key).Alias; got != want {
			t.Errorf("after version %d, deleting %t: alias %q, want %q", version, deleting, got, want)
		}
	}
	receive(1, "first", false, "")
	receive(2, "first", false, "")
	receive(3, "second", false, "first")
	receive(4, "third", false, "first")
	receive(4, "third", true, "first")
	if _, _, err := p.Delete(context.Background(), resource.DeleteRequest{Key: key}); err != nil {
		t.Fatal(err)
	}
	told := func(tx *store.Tx) error {
		m := *tx.Meta(key)
		m.Out.Pending = false
		tx.Put(m, store.Write{})
		return nil
	}
	if err := st.Update(context.Background(), told); err != nil {
		t.Fatal(err)
	}
	receive(5, "third", false, "")

	before := *st.Meta(key)
	if err := p.NameWorks(context.Background(), map[resource.Key]string{key: "other", {ID: "unknown"}: "x"}); err != nil {
		t.Fatal(err)
	}
	if m := st.Meta(key); m.Alias != "other" || m.Revision != before.Revision || m.Out.Dirty != before.Out.Dirty {
		t.Errorf("named: %+v, was %+v", m, before)
	}
}
