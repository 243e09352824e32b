package store_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

const crashWriters = 4

// writeUntilKilled is the child: writers that each raise the version of a pair
// of records in one update, and print what was answered.
func writeUntilKilled(dir string) error {
	s, err := store.Open(store.Options{Dir: dir, Sync: os.Getenv(childSync) == "true", History: 500})
	if err != nil {
		return err
	}
	var writers sync.WaitGroup
	writers.Go(func() {
		for { // so that kills meet checkpoints as often as commits
			time.Sleep(time.Duration(rand.IntN(8)) * time.Millisecond)
			if err := s.Checkpoint(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
		}
	})
	for w := range crashWriters {
		writers.Go(func() {
			for {
				if err := writePair(s, w); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
			}
		})
	}
	writers.Wait()
	return fmt.Errorf("it stopped by itself")
}

func writePair(s *store.Store, writer int) error {
	var version int64
	var revision resource.Revision
	err := s.Update(context.Background(), func(tx *store.Tx) error {
		version = 1
		if m := tx.Meta(pairKey(writer, "left")); m != nil {
			version = m.Version + 1
		}
		for _, side := range []string{"left", "right"} {
			k := pairKey(writer, side)
			status := []byte(fmt.Sprint(version))
			if version%5 == 0 && side == "left" {
				tx.Remove(k) // a new life, with a log entry of its own
			}
			m := tx.Put(store.Meta{Key: k, Version: version}, store.Write{
				Visible: true, SpecChanged: true, Spec: payload(pairSpec(version, side)), Status: &status,
			})
			revision = m.Revision
		}
		tx.SetSetting(fmt.Sprint("writer-", writer), []byte(fmt.Sprint(version)))
		return nil
	})
	if err != nil {
		return err
	}
	id, err := s.NextSequence()
	if err != nil {
		return err
	}
	_, err = fmt.Printf("%d %d %d %d\n", writer, version, revision, id)
	return err
}

func pairKey(writer int, side string) resource.Key {
	return key(fmt.Sprintf("%d-%s", writer, side))
}

// pairSpec is of some size, often more than a page.
func pairSpec(version int64, side string) string {
	return strings.Repeat(fmt.Sprintf("%s %d;", side, version), int(version%700)+1)
}

// TestNothingThatWasAnsweredIsLostByAKill kills a writing process at random
// moments, again and again on the same store.
func TestNothingThatWasAnsweredIsLostByAKill(t *testing.T) {
	for _, sync := range []bool{true, false} {
		t.Run(fmt.Sprint("sync ", sync), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			seen := &answered{version: map[int]int64{}}
			kills, end := 0, time.Now().Add(crashTime(t))
			for ; time.Now().Before(end) && !t.Failed(); kills++ {
				seen.read(t, runUntilKilled(t, dir, sync))
				seen.verify(t, dir, sync)
			}
			t.Logf("%d kills, %d answers", kills, seen.count)
			if seen.count == 0 {
				t.Error("nothing was ever answered")
			}
		})
	}
}

func crashTime(t *testing.T) time.Duration {
	if testing.Short() {
		return time.Second
	}
	return 6 * time.Second
}

// runUntilKilled returns what the child has printed.
func runUntilKilled(t *testing.T, dir string, sync bool) string {
	t.Helper()
	cmd := childCommand(t, "writer", dir, sync)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond) // the moment is what is tested
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if errs.Len() > 0 {
		t.Fatalf("child: %s", errs.String())
	}
	return out.String()
}

// answered is what children have been told.
type answered struct {
	version  map[int]int64
	revision resource.Revision
	sequence int64
	count    int
}

func (a *answered) read(t *testing.T, out string) {
	t.Helper()
	for text := range strings.Lines(out) {
		var writer int
		var version, id int64
		var revision resource.Revision
		if !strings.HasSuffix(text, "\n") {
			continue // cut off by the kill
		}
		if _, err := fmt.Sscan(text, &writer, &version, (*uint64)(&revision), &id); err != nil {
			t.Fatalf("child printed %q: %v", text, err)
		}
		a.count++
		a.version[writer] = max(a.version[writer], version)
		a.revision = max(a.revision, revision)
		a.sequence = max(a.sequence, id)
	}
}

// verify opens what the kill has left.
func (a *answered) verify(t *testing.T, dir string, sync bool) {
	t.Helper()
	var log bytes.Buffer
	s, err := store.Open(store.Options{Dir: dir, Sync: sync, History: 500, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	if log.Len() > 0 {
		t.Errorf("a kill made it say %q", log.String())
	}
	if s.Revision() < a.revision {
		t.Errorf("revision is %d, %d was answered", s.Revision(), a.revision)
	}
	if id := sequence(t, s); id <= a.sequence {
		t.Errorf("sequence id is %d, %d was given out", id, a.sequence)
	} else {
		a.sequence = id
	}
	for writer, version := range a.version {
		a.verifyPair(t, s, writer, version)
	}
}

func (a *answered) verifyPair(t *testing.T, s *store.Store, writer int, version int64) {
	t.Helper()
	var found [2]int64
	for i, side := range []string{"left", "right"} {
		r, err := s.Get(pairKey(writer, side))
		if err != nil {
			t.Fatal(err)
		}
		found[i] = r.Version
		if string(r.Spec) != pairSpec(r.Version, side) || string(r.Status) != fmt.Sprint(r.Version) {
			t.Errorf("%s has payloads of another version than %d", r.Key, r.Version)
		}
	}
	if found[0] < version || found[0] != found[1] || string(s.Setting(fmt.Sprint("writer-", writer))) != fmt.Sprint(found[0]) {
		t.Errorf("writer %d: versions are %d and %d, the setting %s, %d was answered", writer, found[0], found[1], s.Setting(fmt.Sprint("writer-", writer)), version)
	}
}
