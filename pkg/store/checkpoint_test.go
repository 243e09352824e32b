package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/store"
)

// Whenever the process dies during a checkpoint, there is the same store.
func TestAKillDuringACheckpointLosesNothing(t *testing.T) {
	dir := t.TempDir()
	s := paused(t, dir)
	for i := range 3 {
		put(t, s, key(fmt.Sprint("r-", i)), 1, "x")
	}
	before := image(t, dir)
	s.ResumeCheckpoints()
	checkpoint(t, s)
	s.PauseCheckpoints(func(func()) {})
	after := image(t, dir)
	put(t, s, key("r-3"), 1, "x")
	later := image(t, dir)
	old, newer := segments(t, before)[0], segments(t, after)[0]

	images := map[string]struct {
		base string
		add  []string
		want int
	}{
		"next segment made, nothing in it": {before, []string{newer}, 3},
		"next segment made, empty":         {before, []string{""}, 3},
		"next segment in use":              {before, []string{segments(t, later)[0]}, 4},
		"in the file, segment still there": {after, []string{old}, 3},
		"the same, with later commits":     {later, []string{old}, 4},
		"all done":                         {later, nil, 4},
	}
	for name, test := range images {
		t.Run(name, func(t *testing.T) {
			at := image(t, test.base)
			for _, path := range test.add {
				if path == "" {
					touch(t, filepath.Join(at, filepath.Base(newer)))
				} else {
					copyFile(t, path, at)
				}
			}
			for range 2 {
				s := open(t, at)
				if got := versions(s); len(got) != test.want {
					t.Errorf("got %d records, want %d", len(got), test.want)
				}
				closeStore(t, s)
			}
		})
	}
}

// A large checkpoint is several transactions.
func TestACheckpointThatFailsHalfwayLosesNothing(t *testing.T) {
	for _, sync := range []bool{true, false} {
		t.Run(fmt.Sprint("sync ", sync), func(t *testing.T) {
			dir := t.TempDir()
			s := paused(t, dir, func(o *store.Options) { o.Sync = sync })
			fillMany(t, s, 1)
			s.ResumeCheckpoints()
			checkpoint(t, s)
			parts := 0
			s.SetCheckpoint(func(tx *bbolt.Tx) error {
				if parts++; parts > 2 {
					return errOfTest
				}
				return tx.Commit()
			})
			s.PauseCheckpoints(func(func()) {})
			fillMany(t, s, 2)
			s.ResumeCheckpoints() // from here on one may begin by itself
			if err := s.Checkpoint(); !errors.Is(err, errOfTest) {
				t.Fatalf("checkpoint: %v", err)
			}
			s.PauseCheckpoints(func(func()) {})
			wantMany(t, s, 2)
			half := image(t, dir)
			s.ResumeCheckpoints()
			wantMany(t, open(t, half, func(o *store.Options) { o.Sync = sync }), 2)
			s.SetCheckpoint((*bbolt.Tx).Commit)
			checkpoint(t, s)
			wantMany(t, s, 2)
		})
	}
}

const many = 700

func fillMany(t *testing.T, s *store.Store, version int64) {
	t.Helper()
	update(t, s, func(tx *store.Tx) {
		for i := range many {
			putTx(tx, key(fmt.Sprint("r-", i)), version, fmt.Sprint("spec ", version))
		}
	})
}

func wantMany(t *testing.T, s *store.Store, version int64) {
	t.Helper()
	records := list(t, s, store.ListOptions{}).Records
	if len(records) != many {
		t.Errorf("got %d records, want %d", len(records), many)
	}
	for _, r := range records {
		if want := fmt.Sprint("spec ", version); string(r.Spec) != want || r.Version != version {
			t.Fatalf("%s has version %d and %q, want %q", r.Key.ID, r.Version, r.Spec, want)
		}
	}
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The checkpointer works without being asked, and then sleeps.
func TestTheJournalMovesIntoTheFileByItself(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, noSync)
	put(t, s, key("a"), 1, "one")
	first := segments(t, dir)
	for end := time.Now().Add(10 * time.Second); slices.Equal(segments(t, dir), first); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no checkpoint was made")
		}
	}
	if got := spec(t, s, key("a")); got != "one" {
		t.Errorf("spec is %q", got)
	}
}
