package store_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
