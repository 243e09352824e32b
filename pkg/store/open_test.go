package store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

func TestANewStoreIsForItsUserOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "hub1")
	s := open(t, dir)
	if want := filepath.Join(dir, "sidecar.db"); s.Path() != want {
		t.Errorf("path is %s, want %s", s.Path(), want)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, s.Path(): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
	if s.Bytes() == 0 {
		t.Error("the file has no size")
	}
}

// A power cut may take a name that was not synced, and all that is in it.
func TestTheNamesOfANewStoreAreDurable(t *testing.T) {
	base := t.TempDir()
	synced := map[string]bool{}
	store.SetFolderSync(t, func(f *os.File) error {
		synced[f.Name()] = true
		return f.Sync()
	})
	closeStore(t, open(t, filepath.Join(base, "state", "hub1")))
	for _, dir := range []string{base, filepath.Join(base, "state"), filepath.Join(base, "state", "hub1")} {
		if !synced[dir] {
			t.Errorf("%s was not synced: %v", dir, synced)
		}
	}
}

func TestAFolderThatCannotBeSynced(t *testing.T) {
	for _, test := range []struct {
		err   error
		opens bool
	}{{syscall.EINVAL, true}, {syscall.ENOTSUP, true}, {syscall.EIO, false}, {syscall.ENOSPC, false}} {
		store.SetFolderSync(t, func(f *os.File) error { return &os.PathError{Op: "sync", Path: f.Name(), Err: test.err} })
		s, err := store.Open(store.Options{Dir: t.TempDir(), Sync: true})
		if err == nil {
			put(t, s, key("a"), 1, "x")
			checkpoint(t, s)
			closeStore(t, s)
		}
		if (err == nil) != test.opens || err != nil && !errors.Is(err, test.err) {
			t.Errorf("%v: open returns %v", test.err, err)
		}
	}
}

func TestANewStoreNumbersFromTheClock(t *testing.T) {
	before := resource.Revision(time.Now().UnixMicro())
	s := open(t, t.TempDir())
	start := s.Revision()
	if after := resource.Revision(time.Now().UnixMicro()); start < before || start > after {
		t.Errorf("revision is %d, want the clock between %d and %d", start, before, after)
	}
	if got := put(t, s, key("a"), 1, "x").Revision; got != start+1 {
		t.Errorf("first change has revision %d, want %d", got, start+1)
	}
}

func TestOpenSaysWhatToDo(t *testing.T) {
	tests := map[string]struct {
		prepare func(t *testing.T, dir string)
		want    string
	}{
		"in use":         {func(t *testing.T, dir string) { open(t, dir) }, "another sidecar uses it"},
		"text":           {writeText, "not a store of the sidecar"},
		"foreign":        {makeForeign, "not a store of the sidecar"},
		"newer":          {makeNewer, "made by a newer sidecar"},
		"cut short":      {cutShort, "damaged"},
		"scribbled over": {scribble, "put a backup in its place"},
		"no state":       {loseState, "put a backup in its place"},
		"folder is a file": {func(t *testing.T, dir string) {
			os.RemoveAll(dir)
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "choose a state.dir that can be written"},
		"file is a folder": {func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, "sidecar.db"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "open store"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			test.prepare(t, dir)
			path := filepath.Join(dir, "sidecar.db")
			before, _ := os.ReadFile(path)

			s, err := store.Open(store.Options{Dir: dir})
			if err == nil {
				s.Close()
				t.Fatal("it opened")
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("error %q does not say %q and name %s", err, test.want, dir)
			}
			if after, _ := os.ReadFile(path); string(before) != string(after) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestAFolderThatCannotBeWrittenSaysSo(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err := store.Open(store.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "fsGroup") || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v, want an error that names %s and fsGroup", err, dir)
	}
}

func writeText(t *testing.T, dir string) {
	text := strings.Repeat("this is no store\n", 4000)
	if err := os.WriteFile(filepath.Join(dir, "sidecar.db"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func makeForeign(t *testing.T, dir string) {
	edit(t, dir, func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("others"))
		return err
	})
}

func makeNewer(t *testing.T, dir string) {
	fill(t, dir)
	edit(t, dir, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("system")).Put([]byte("format"), []byte("3"))
	})
}

func loseState(t *testing.T, dir string) {
	fill(t, dir)
	edit(t, dir, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("system")).Delete([]byte("state"))
	})
}

func cutShort(t *testing.T, dir string) {
	fill(t, dir)
	if err := os.Truncate(filepath.Join(dir, "sidecar.db"), 5*4096); err != nil {
		t.Fatal(err)
	}
}

// scribble leaves only the first two pages, which say where the others are.
func scribble(t *testing.T, dir string) {
	fill(t, dir)
	path := filepath.Join(dir, "sidecar.db")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 2 * 4096; i < len(b); i++ {
		b[i] = 0x5a
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// fill makes a store with some records in it.
func fill(t *testing.T, dir string) {
	t.Helper()
	s := open(t, dir)
	for _, id := range []string{"a", "b", "c"} {
		put(t, s, key(id), 1, strings.Repeat(id, 5000))
	}
	closeStore(t, s)
}

// edit changes a file behind the store's back.
func edit(t *testing.T, dir string, fn func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, "sidecar.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(fn); err != nil {
		t.Fatal(err)
	}
}

// editState changes what the store knows of itself.
func editState(t *testing.T, dir string, fn func(state map[string]any)) {
	t.Helper()
	edit(t, dir, func(tx *bbolt.Tx) error {
		var state map[string]any
		system := tx.Bucket([]byte("system"))
		decoder := json.NewDecoder(bytes.NewReader(system.Get([]byte("state"))))
		decoder.UseNumber() // sequence ids do not fit into a float
		if err := decoder.Decode(&state); err != nil {
			return err
		}
		fn(state)
		b, err := json.Marshal(state)
		if err != nil {
			return err
		}
		return system.Put([]byte("state"), b)
	})
}

// cutPower makes a closed store look like one whose machine went down.
func cutPower(t *testing.T, dir string) {
	t.Helper()
	editState(t, dir, func(state map[string]any) {
		state["clean"] = false
		state["boot"] = "another"
	})
}

func TestAfterAPowerCutAStoreWithoutSyncNumbersAboveAllItMayHaveGivenOut(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, noSync)
	ahead := s.Revision() + 1_000_000
	put(t, s, key("a"), 1, "one")
	held := s.Revision()
	closeStore(t, s)
	cutPower(t, dir)
	editState(t, dir, func(state map[string]any) { state["headCeiling"] = ahead.String() })

	s = open(t, dir, noSync)
	if got := spec(t, s, key("a")); got != "one" {
		t.Errorf("spec is %q", got)
	}
	if s.Revision() < ahead {
		t.Errorf("revision is %d, but %d may have been given out", s.Revision(), ahead)
	}
	_, err := s.Changes(held, 0)
	wantCode(t, err, resource.Expired)
	start := s.Revision()
	put(t, s, key("a"), 2, "two")
	if entries, err := s.Changes(start, 0); err != nil || len(entries) != 1 {
		t.Errorf("changes since the new start: %v, %v", entries, err)
	}
}

func TestAStoreWithSyncGoesOnAfterAPowerCut(t *testing.T) {
	dir := t.TempDir()
	s := paused(t, dir)
	start := s.Revision()
	put(t, s, key("a"), 1, "one")
	cut := image(t, dir)
	cutPowerOf(t, cut)

	s = open(t, cut)
	if got := s.Revision(); got != start+1 {
		t.Errorf("revision is %d, want %d", got, start+1)
	}
	if entries, err := s.Changes(start, 0); err != nil || len(entries) != 1 {
		t.Errorf("changes: %v, %v", entries, err)
	}
}

func TestAClosedStoreSaysSo(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, key("a"), 1, "x")
	closeStore(t, s)
	if err := s.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}

	wantCode(t, s.Update(context.Background(), func(*store.Tx) error { return nil }), resource.Unavailable)
	answered := false
	s.UpdateSoon(func(*store.Tx) error { return nil }, func(err error) {
		answered = true
		wantCode(t, err, resource.Unavailable)
	})
	if !answered {
		t.Error("UpdateSoon was not answered")
	}
	_, err := s.Get(key("a"))
	wantCode(t, err, resource.Unavailable)
	_, err = s.List(store.ListOptions{})
	wantCode(t, err, resource.Unavailable)
	_, err = s.Changes(0, 0)
	wantCode(t, err, resource.Unavailable)
	_, err = s.NextSequence()
	wantCode(t, err, resource.Unavailable)
}

func TestCloseCommitsWhatWaits(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	var soon error
	s.UpdateSoon(func(tx *store.Tx) error {
		putTx(tx, key("a"), 1, "soon")
		return nil
	}, func(err error) { soon = err })
	closeStore(t, s)
	if soon != nil {
		t.Fatal(soon)
	}
	s = open(t, dir)
	if got := spec(t, s, key("a")); got != "soon" {
		t.Errorf("spec is %q", got)
	}
}

// The store of another sidecar is left as it is, and not opened.
func TestTheStoreOfAnotherIsRefused(t *testing.T) {
	dir := t.TempDir()
	mine := open(t, dir, owned)
	put(t, mine, key("a"), 1, "x")
	closeStore(t, mine)
	other := store.Options{Dir: dir, Owner: "agent a1", Mine: func(o string) bool { return o == "agent a1" }}
	_, err := store.Open(other)
	if err == nil || !strings.Contains(err.Error(), "it is that of source hub1, and this is agent a1; choose another state.dir") {
		t.Errorf("error %v", err)
	}
	other.Mine = func(o string) bool { return o == owner }
	s, err := store.Open(other)
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	if got := spec(t, s, key("a")); got != "x" {
		t.Errorf("spec %q", got)
	}
}
