//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

const (
	singlePuts     = 1000
	applyGain      = 2.0      // at least, over single puts; on a quiet machine it is six to nine
	bodyItems      = 100_000  // of 2 KiB
	bodyMemory     = 48 << 20 // by which the source may grow meanwhile
	applyCrashes   = 3
	appliedInCrash = 4000
)

var hereScope = &resource.Scope{DataType: devices, Cluster: clusterName}

// TestApplyIsFast compares one apply with as many single puts, one after the
// other, and tells the ratio.
func TestApplyIsFast(t *testing.T) {
	s := lonelySource(t)
	began := time.Now()
	for req := range devicesFrom(0, singlePuts, filling) {
		if _, _, err := s.api.Put(context.Background(), req); err != nil {
			t.Fatal(err)
		}
	}
	single := time.Since(began) / singlePuts
	began = time.Now()
	s.apply(t, nil, devicesFrom(singlePuts, manyResources, filling))
	took := time.Since(began)
	gain := float64(single) / (float64(took) / manyResources)
	t.Logf("%d items of 2 KiB in %s by one apply; one after the other by %s each: %.1f times as fast", manyResources, took.Round(time.Millisecond), single.Round(time.Microsecond), gain)
	if gain < applyGain {
		t.Errorf("an apply is %.1f times as fast as single puts, want at least %.1f", gain, applyGain)
	}
}

// TestApplyOfAnySize: a body of 200 MB passes through a sidecar that does not
// grow with it.
func TestApplyOfAnySize(t *testing.T) {
	s := lonelySource(t)
	s.apply(t, nil, devicesFrom(0, 100, filling))
	before, began := s.proc.memory(t), time.Now()
	var result *resource.ApplyResult
	peak := s.peak(t, func() {
		result = s.apply(t, hereScope, func(yield func(resource.PutRequest, error) bool) {
			for range bodyItems / 100 {
				for req, err := range devicesFrom(0, 100, filling) {
					if !yield(req, err) {
						return
					}
				}
			}
		})
	})
	t.Logf("%d items in %s; before %s, peak %s", bodyItems, time.Since(began).Round(time.Millisecond), before, peak)
	if result.Unchanged != bodyItems || result.Deleted != 0 {
		t.Errorf("result %+v", result)
	}
	if grown := peak.rss - before.rss; grown > bodyMemory {
		t.Errorf("it grew by %d MB, want at most %d", grown>>20, bodyMemory>>20)
	}
}

// TestApplyKilled: what an apply has done when its sidecar is killed stays, what
// it has not is done by the next, and nothing is pruned by half of one.
func TestApplyKilled(t *testing.T) {
	s := lonelySource(t)
	s.apply(t, nil, devicesFrom(appliedInCrash, 1, "")) // pruned in the end
	for range applyCrashes {
		ended := make(chan error, 1)
		go func() {
			_, err := s.api.Apply(context.Background(), hereScope, slowly(devicesFrom(0, appliedInCrash, filling)))
			ended <- err
		}()
		before := s.status(t).Resources.Total
		eventually(t, patience, "some are applied", func() error {
			total := s.status(t).Resources.Total
			return expect(total > before, "there are %d", total)
		})
		s.kill()
		if err := <-ended; err == nil {
			t.Fatal("an apply that was cut off had an answer")
		}
		s.start(t)
		if _, err := s.api.Get(context.Background(), deviceKey(fmt.Sprintf("dev-%d", appliedInCrash))); err != nil {
			t.Fatalf("half an apply has pruned: %v", err)
		}
	}
	result := s.apply(t, hereScope, devicesFrom(0, appliedInCrash, filling))
	if result.Unchanged == 0 || result.Applied+result.Unchanged != appliedInCrash || result.Deleted != 1 {
		t.Errorf("result %+v", result)
	}
	all, err := list(s)
	if err != nil || len(all) != appliedInCrash {
		t.Fatalf("there are %d resources, %v", len(all), err)
	}
	for id, r := range all {
		if r.Version != 1 {
			t.Errorf("%s has version %d: it was changed by being applied again", id, r.Version)
		}
	}
}

// slowly takes a second for the items.
func slowly(items iter.Seq2[resource.PutRequest, error]) iter.Seq2[resource.PutRequest, error] {
	return func(yield func(resource.PutRequest, error) bool) {
		n := 0
		for item, err := range items {
			if n++; n%100 == 0 {
				time.Sleep(time.Second / (appliedInCrash / 100))
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

// TestApplyReachesTheCluster: what is applied is made on the other side, and
// what is pruned is taken down there, with its app's word.
func TestApplyReachesTheCluster(t *testing.T) {
	w := newWorld(t, startBroker(t, embedded))
	both := func(want int) {
		t.Helper()
		eventually(t, patience, fmt.Sprintf("both sides have %d", want), func() error {
			source, agent := w.source.status(t).Resources, w.agent.status(t).Resources
			return expect(source.Total == want && source.Observed == want && agent.Total == want, "source %+v, agent %+v", source, agent)
		})
	}
	w.source.apply(t, hereScope, devicesFrom(0, 200, filling))
	both(200)
	if result := w.source.apply(t, hereScope, devicesFrom(50, 100, filling)); result.Unchanged != 100 || result.Deleted != 100 {
		t.Errorf("result %+v", result)
	}
	both(100)
	if synced := w.source.status(t).Store.Synced; len(synced) != 1 || synced[0] != *hereScope {
		t.Errorf("synced %+v", synced)
	}
}
