package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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

// image copies what a kill at this moment would leave. No checkpoint may be on
// its way.
func image(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// segments are the paths of the journal, in order as long as there are few.
func segments(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "sidecar.journal.*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// checkpoint must succeed.
func checkpoint(t testing.TB, s *store.Store) {
	t.Helper()
	if err := s.Checkpoint(); err != nil {
		t.Error(err)
	}
}

// size is that of a file.
func size(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// versions are those of the records r-0, r-1, ... as far as they are there.
func versions(s *store.Store) (versions []int64) {
	for i := 0; ; i++ {
		m := s.Meta(key(fmt.Sprint("r-", i)))
		if m == nil {
			return versions
		}
		versions = append(versions, m.Version)
	}
}

// paused opens a store that makes no checkpoints by itself: closeStore, which
// open arranges, ends the pause.
func paused(t testing.TB, dir string, change ...func(*store.Options)) *store.Store {
	t.Helper()
	s := open(t, dir, change...)
	s.PauseCheckpoints(t.Cleanup)
	return s
}

func TestTheJournalIsForItsUserOnlyAndGoneAfterClose(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, key("a"), 1, "one")
	paths := segments(t, dir)
	if len(paths) == 0 {
		t.Fatal("there is no journal")
	}
	var sum int64
	for _, path := range append(paths, s.Path()) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("%s has mode %o", path, got)
		}
		sum += info.Size()
	}
	if got := s.Bytes(); got != sum {
		t.Errorf("Bytes is %d, want %d", got, sum)
	}
	closeStore(t, s)
	if left := segments(t, dir); len(left) != 0 {
		t.Errorf("close left %v", left)
	}

	// The file alone is the store.
	alone := t.TempDir()
	b, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(alone, "sidecar.db"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := spec(t, open(t, alone), key("a")); got != "one" {
		t.Errorf("spec is %q", got)
	}
}

func TestReadersSeeJournalOverFile(t *testing.T) {
	dir := t.TempDir()
	s := paused(t, dir)
	start := s.Revision()
	put(t, s, key("changed"), 1, "old")
	put(t, s, key("kept"), 1, "kept")
	put(t, s, key("removed"), 1, "removed")
	update(t, s, func(tx *store.Tx) {
		tx.Put(*tx.Meta(key("changed")), store.Write{Status: payload("old status")})
		tx.SetSetting("removed", []byte("x"))
	})
	s.ResumeCheckpoints()
	checkpoint(t, s)
	s.PauseCheckpoints(func(func()) {})
	update(t, s, func(tx *store.Tx) {
		putTx(tx, key("changed"), 2, "new")
		tx.Remove(key("removed"))
		putTx(tx, key("added"), 1, "added")
		tx.SetSetting("removed", nil)
	})
	want := []string{"ADDED changed new", "ADDED kept kept", "ADDED removed gone", "MODIFIED changed new", "DELETED removed gone", "ADDED added added"}
	for _, at := range []string{"in the journal", "in the file", "after a replay"} {
		switch at {
		case "in the file":
			s.ResumeCheckpoints()
			checkpoint(t, s)
		case "after a replay":
			s = open(t, image(t, dir))
		}
		r, err := s.Get(key("changed"))
		if err != nil || string(r.Spec) != "new" || string(r.Status) != "old status" || r.Version != 2 {
			t.Errorf("%s: got %+v, %v", at, r, err)
		}
		_, err = s.Get(key("removed"))
		wantCode(t, err, resource.NotFound)
		for since, n := start, 0; n < len(want); since, n = since+1, n+1 {
			if got := changes(t, s, since, 0); !slices.Equal(got, want[n:]) {
				t.Errorf("%s: changes since %d are %q, want %q", at, n, got, want[n:])
			}
			if got := changes(t, s, since, 2); !slices.Equal(got, want[n:min(n+2, len(want))]) {
				t.Errorf("%s: two changes since %d are %q", at, n, got)
			}
		}
		var specs []string
		for _, r := range list(t, s, store.ListOptions{}).Records {
			specs = append(specs, string(r.Spec))
		}
		if want := []string{"added", "new", "kept"}; !slices.Equal(specs, want) {
			t.Errorf("%s: list has %q, want %q", at, specs, want)
		}
		if s.Setting("removed") != nil {
			t.Errorf("%s: the setting is there", at)
		}
	}
}

// A kill may come in the middle of a write: whatever is left of the last frames,
// there are those before, and none of them by half.
func TestATornEndIsForgotten(t *testing.T) {
	dir := t.TempDir()
	s := paused(t, dir)
	var ends []int64
	for i := range 4 {
		update(t, s, func(tx *store.Tx) {
			putTx(tx, key(fmt.Sprint("r-", 2*i)), int64(i), "left")
			putTx(tx, key(fmt.Sprint("r-", 2*i+1)), int64(i), "right")
		})
		ends = append(ends, size(t, segments(t, dir)[0]))
	}
	whole, err := os.ReadFile(segments(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	base := image(t, dir)
	for cut := ends[2]; cut <= ends[3]; cut++ { // every byte of the last frame
		if testing.Short() && cut%5 != 0 {
			continue
		}
		for name, tail := range map[string][]byte{"nothing": nil, "zeros": make([]byte, 100), "noise": []byte(strings.Repeat("\xa5", 100))} {
			if name != "nothing" && cut%20 != 0 && cut != ends[2] {
				continue
			}
			at := image(t, base)
			if err := os.WriteFile(segments(t, at)[0], append(slices.Clone(whole[:cut]), tail...), 0o600); err != nil {
				t.Fatal(err)
			}
			frames := 0
			for _, end := range ends {
				if end <= cut {
					frames++
				}
			}
			again, err := store.Open(store.Options{Dir: at})
			if err != nil {
				t.Fatalf("cut at %d, then %s: %v", cut, name, err)
			}
			if got := versions(again); len(got) != 2*frames {
				t.Errorf("cut at %d, then %s: got %d records, want %d", cut, name, len(got), 2*frames)
			}
			closeStore(t, again)
		}
	}
}

// The sync of a frame comes before the next frame: a bad one with a good one
// behind it was whole once, and somebody was told.
func TestADamagedJournalIsFound(t *testing.T) {
	dir := t.TempDir()
	s := paused(t, dir)
	for i := range 3 {
		put(t, s, key(fmt.Sprint("r-", i)), 1, "x")
	}
	last := size(t, segments(t, dir)[0])
	put(t, s, key("r-3"), 1, "x")
	damaged := image(t, dir)
	path := segments(t, damaged)[0]
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := range last {
		if at > 28+16 && at%5 != 0 { // both headers, and some of what follows
			continue
		}
		writeFlipped(t, path, whole, at)
		before := snapshot(t, damaged)
		again, err := store.Open(store.Options{Dir: damaged, Sync: true})
		if err == nil {
			again.Close()
			t.Fatalf("byte %d: it opened", at)
		}
		if !strings.Contains(err.Error(), path) {
			t.Errorf("byte %d: the error does not name the journal: %v", at, err)
		}
		if !maps.Equal(before, snapshot(t, damaged)) {
			t.Errorf("byte %d: the files were changed", at)
		}
	}
}

// writeFlipped writes b with one wrong bit.
func writeFlipped(t *testing.T, path string, b []byte, at int64) {
	t.Helper()
	b = slices.Clone(b)
	b[at] ^= 0x10
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	writeFlipped(t, path, b, at)
}

// snapshot is what the files of a folder hold.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	for _, path := range append(segments(t, dir), filepath.Join(dir, "sidecar.db")) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = string(b)
	}
	return files
}

// A power cut may have taken any part of a journal without sync. What is kept is
// what was committed up to some moment, and numbers go on above all others.
func TestAPowerCutWithoutSyncTakesOnlyTheEnd(t *testing.T) {
	dir := t.TempDir()
	s := paused(t, dir, noSync)
	sequence(t, s)
	const all = 5
	for i := range all {
		put(t, s, key(fmt.Sprint("r-", i)), 1, strings.Repeat("x", 50))
	}
	top, given := s.Revision(), sequence(t, s)
	length := size(t, segments(t, dir)[0])
	base := image(t, dir)
	for at := int64(28); at < length; at += 11 {
		cut := image(t, base)
		flip(t, segments(t, cut)[0], at)
		cutPowerOf(t, cut)
		again, err := store.Open(store.Options{Dir: cut})
		if err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		if got := versions(again); len(got) >= all {
			t.Errorf("byte %d: nothing is missing", at)
		}
		if again.Revision() < top {
			t.Errorf("byte %d: revision is %d, %d was given out", at, again.Revision(), top)
		}
		if _, err := again.Changes(top-1, 0); resource.CodeOf(err) != resource.Expired {
			t.Errorf("byte %d: changes since before the power cut: %v", at, err)
		}
		// The first frame reserved sequence ids, and was synced.
		if id := sequence(t, again); at > 28+200 && id <= given {
			t.Errorf("byte %d: sequence id is %d, %d was given out", at, id, given)
		}
		closeStore(t, again)
	}
}

// cutPowerOf makes an image look like one of another run of the machine.
func cutPowerOf(t *testing.T, dir string) {
	t.Helper()
	editState(t, dir, func(state map[string]any) { state["boot"] = "another" })
}

func copyFile(t *testing.T, path, dir string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAJournalOfAnotherFileIsRefused(t *testing.T) {
	one, other := t.TempDir(), t.TempDir()
	put(t, paused(t, one), key("a"), 1, "one")
	journal := segments(t, one)[0]
	for name, prepare := range map[string]func(dir string){
		"no file":      func(string) {},
		"another file": func(dir string) { copyFile(t, filepath.Join(other, "sidecar.db"), dir) },
	} {
		t.Run(name, func(t *testing.T) {
			closeStore(t, open(t, other))
			dir := t.TempDir()
			prepare(dir)
			copyFile(t, journal, dir)
			s, err := store.Open(store.Options{Dir: dir})
			if err == nil {
				s.Close()
				t.Fatal("it opened")
			}
			if !strings.Contains(err.Error(), "journal of another file") || !strings.Contains(err.Error(), dir) {
				t.Errorf("got %v", err)
			}
			if len(segments(t, dir)) != 1 {
				t.Error("the journal is gone")
			}
		})
	}
}

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
