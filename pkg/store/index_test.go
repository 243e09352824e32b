package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

func TestGroupsAndTheirRecordsAreInOrder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	devices := resource.Group{DataType: dataType, Source: "hub1", Cluster: "cluster1"}
	otherSource, otherCluster, otherType := devices, devices, devices
	otherSource.Source = "hub0"
	otherCluster.Cluster = "cluster0"
	otherType.DataType = "com.example.fleet.v1alpha1.apps"
	want := []resource.Group{otherType, otherCluster, otherSource, devices}
	update(t, s, func(tx *store.Tx) {
		for i, g := range []resource.Group{devices, otherSource, otherCluster, otherType} {
			for _, id := range []string{"c", "a", "b"}[i%3:] {
				putTx(tx, g.Key(id), 1, "x")
			}
		}
		bury(tx, devices.Key("b"))
	})
	for range 2 {
		if got := s.Groups(); !slices.Equal(got, want) {
			t.Errorf("groups are %v, want %v", got, want)
		}
		var got []string
		for _, m := range s.Group(devices) {
			got = append(got, fmt.Sprint(m.Key.ID, m.Visible()))
		}
		if want := []string{"atrue", "bfalse", "ctrue"}; !slices.Equal(got, want) {
			t.Errorf("group has %v, want %v", got, want)
		}
		closeStore(t, s)
		s = open(t, dir)
	}
	update(t, s, func(tx *store.Tx) {
		for _, id := range []string{"a", "b", "c", "never"} {
			tx.Remove(devices.Key(id))
		}
	})
	if got := s.Groups(); !slices.Equal(got, want[:3]) {
		t.Errorf("groups are %v, want %v", got, want[:3])
	}
	if got := s.Group(devices); len(got) != 0 {
		t.Errorf("a removed group has %v", got)
	}
}

func TestFindSeesVisibleRecordsOfEverySource(t *testing.T) {
	s := open(t, t.TempDir())
	find := func() (sources []string) {
		for _, m := range s.Find(dataType, "cluster1", "a") {
			sources = append(sources, m.Key.Source)
		}
		return sources
	}
	k0, k2, elsewhere := key("a"), key("a"), key("a")
	k0.Source, k2.Source, elsewhere.Cluster = "hub0", "hub2", "cluster2"
	put(t, s, k2, 1, "x")
	put(t, s, k0, 1, "x")
	put(t, s, key("a"), 1, "x")
	put(t, s, key("b"), 1, "x")
	put(t, s, elsewhere, 1, "x")
	if got, want := find(), []string{"hub0", "hub1", "hub2"}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	update(t, s, func(tx *store.Tx) {
		bury(tx, k0)
		tx.Remove(k2)
		if got := tx.Find(dataType, "cluster1", "a"); len(got) != 1 {
			t.Errorf("in the update: found %v", got)
		}
	})
	if got, want := find(), []string{"hub1"}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
}

func TestAllWalksWhileCommitsGoOn(t *testing.T) {
	s := open(t, t.TempDir(), noSync)
	const stable = 50
	update(t, s, func(tx *store.Tx) {
		for i := range stable {
			putTx(tx, key(fmt.Sprint("stable-", i)), 1, "x")
		}
	})
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			update(t, s, func(tx *store.Tx) {
				putTx(tx, key(fmt.Sprint("new-", i%10)), 1, "x")
				tx.Remove(key(fmt.Sprint("new-", (i+5)%10)))
			})
		}
	})
	for range 100 {
		seen := map[string]int{}
		for m := range s.All() {
			seen[m.Key.ID]++
		}
		for i := range stable {
			if got := seen[fmt.Sprint("stable-", i)]; got != 1 {
				t.Fatalf("saw stable-%d %d times", i, got)
			}
		}
	}
	close(stop)
	writer.Wait()
	for range s.All() {
		break // a walk may end early
	}
}
