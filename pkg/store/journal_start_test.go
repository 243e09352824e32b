package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// A file that was not closed has a journal. Without it the store goes on like a
// backup that was restored, with numbers above all that it gave out, and says so.
func TestAMissingJournalIsNoticed(t *testing.T) {
	for name, take := range map[string]func(dir string, journal string) error{
		"removed":            func(_, journal string) error { return os.Remove(journal) },
		"empty":              func(_, journal string) error { return os.Truncate(journal, 0) },
		"one of before left": func(dir, journal string) error { return os.Rename(journal, filepath.Join(dir, "sidecar.journal.1")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			put(t, s, key("r-0"), 1, "in the file")
			put(t, s, key("gone"), 1, "x")
			update(t, s, func(tx *store.Tx) {
				bury(tx, key("gone"))
				tx.SetSetting("declared", []byte("all"))
				tx.SetSetting("other", []byte("kept"))
			})
			checkpoint(t, s)
			s.PauseCheckpoints(t.Cleanup)
			for i := range 3 {
				put(t, s, key(fmt.Sprint("r-", i)), 2, "in the journal")
			}
			given, id := s.Revision(), sequence(t, s)
			left := image(t, dir)
			if err := take(left, segments(t, left)[0]); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			again := open(t, left, func(o *store.Options) {
				o.Log, o.Forget = slog.New(slog.NewTextHandler(&log, nil)), []string{"declared"}
			})
			if again.Meta(key("gone")) != nil || again.Setting("declared") != nil || string(again.Setting("other")) != "kept" {
				t.Errorf("it remembers %+v, %q, %q", again.Meta(key("gone")), again.Setting("declared"), again.Setting("other"))
			}
			if got := versions(again); !slices.Equal(got, []int64{1}) {
				t.Errorf("versions are %v, want those of the file", got)
			}
			if !strings.Contains(log.String(), "journal of the store is missing") || !strings.Contains(log.String(), left) {
				t.Errorf("it says %q", log.String())
			}
			if again.Revision() <= given || sequence(t, again) <= id {
				t.Errorf("numbers go on at %d, after %d", again.Revision(), given)
			}
			_, err := again.Changes(given-1, 0)
			wantCode(t, err, resource.Expired)
		})
	}
}

// A kill may come at any moment of a start, and of the next one.
func TestAStartThatWasKilledLosesNothing(t *testing.T) {
	dir := t.TempDir()
	s := paused(t, dir)
	put(t, s, key("r-0"), 1, "one")
	revision, left := s.Revision(), image(t, dir)
	journal := segments(t, left)[0]
	for _, b := range [][]byte{nil, make([]byte, 5)} { // a segment that was begun, twice
		number, err := strconv.Atoi(strings.TrimPrefix(filepath.Ext(journal), "."))
		if err != nil {
			t.Fatal(err)
		}
		journal = filepath.Join(left, fmt.Sprint("sidecar.journal.", number+1))
		if err := os.WriteFile(journal, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := open(t, left)
	if got := spec(t, again, key("r-0")); got != "one" || again.Revision() != revision {
		t.Errorf("spec is %q at revision %d, want that of %d", got, again.Revision(), revision)
	}
}

// A store that was made and never used is as new as before.
func TestAFileWithoutAJournalThatWasNeverUsed(t *testing.T) {
	dir := t.TempDir()
	closeStore(t, open(t, dir))
	var log bytes.Buffer
	open(t, dir, func(o *store.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	if log.Len() > 0 {
		t.Errorf("it says %q", log.String())
	}
}

// The caller's slices are its own again after Update.
func TestPayloadsAreCopied(t *testing.T) {
	s := paused(t, t.TempDir())
	value := []byte("mine")
	update(t, s, func(tx *store.Tx) {
		tx.Put(store.Meta{Key: key("a")}, store.Write{Visible: true, Spec: &value})
	})
	copy(value, "XXXX")
	r, err := s.Get(key("a"))
	if err != nil || string(r.Spec) != "mine" {
		t.Errorf("got %+v, %v", r, err)
	}
}

// A segment whose end is missing is found by the next, however much is missing.
func TestASegmentThatDoesNotGoOnIsFound(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for i := range 50 {
		put(t, s, key(fmt.Sprint("r-", i)), 1, "x")
	}
	s.SetCheckpoint(func(*bbolt.Tx) error { return errOfTest })
	if err := s.Checkpoint(); !errors.Is(err, errOfTest) {
		t.Fatalf("checkpoint: %v", err)
	}
	put(t, s, key("r-50"), 1, "x")
	left := image(t, dir)
	s.SetCheckpoint((*bbolt.Tx).Commit)
	paths := segments(t, left)
	if len(paths) != 2 {
		t.Fatalf("segments are %q", paths)
	}
	whole := size(t, paths[0])
	for _, cut := range []int64{0, 28, 28 + 300, whole - 1} {
		damaged := image(t, left)
		if err := os.Truncate(segments(t, damaged)[0], cut); err != nil {
			t.Fatal(err)
		}
		again, err := store.Open(store.Options{Dir: damaged, Sync: true})
		if err == nil {
			t.Errorf("cut at %d: it opened with %d records", cut, len(versions(again)))
			again.Close()
		}
	}
}
