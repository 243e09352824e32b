package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

const owner = "source hub1"

func owned(o *store.Options) { o.Owner = owner }

// backup is a backup of the store in a file of its own.
func backup(t testing.TB, s *store.Store) string {
	t.Helper()
	var b bytes.Buffer
	told := int64(0)
	err := s.Backup(func(size int64) (io.Writer, error) {
		told = size
		return &b, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if told != int64(b.Len()) {
		t.Errorf("it was to have %d bytes and has %d", told, b.Len())
	}
	return writeFile(t, b.Bytes())
}

func writeFile(t testing.TB, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backup")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func restore(t testing.TB, from, dir string) store.Restored {
	t.Helper()
	r, err := store.Restore(store.RestoreOptions{From: from, Dir: dir, Owner: owner, Forget: []string{"synced"}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantRefused restores what must be refused, and must not have changed the
// store in dir.
func wantRefused(t *testing.T, from, dir, why string) {
	t.Helper()
	before := files(t, dir)
	_, err := store.Restore(store.RestoreOptions{From: from, Dir: dir, Owner: owner})
	if err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("got error %v, want one that says %q", err, why)
	}
	if after := files(t, dir); after != before {
		t.Errorf("the folder had %s and has %s", before, after)
	}
}

func files(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestABackupHasAllThatWasCommittedBefore(t *testing.T) {
	s := open(t, t.TempDir(), owned)
	for i := range 50 {
		put(t, s, key(fmt.Sprint(i)), 1, fmt.Sprintf(`{"n":%d}`, i))
	}
	file, dir := backup(t, s), t.TempDir()
	put(t, s, key("later"), 1, `{}`)

	if r := restore(t, file, dir); r.Records != 50 || r.Aside != "" {
		t.Errorf("restored %+v", r)
	}
	copied := open(t, dir, owned)
	for i := range 50 {
		if got, want := spec(t, copied, key(fmt.Sprint(i))), fmt.Sprintf(`{"n":%d}`, i); got != want {
			t.Errorf("spec of %d is %s, want %s", i, got, want)
		}
	}
	if copied.Meta(key("later")) != nil {
		t.Error("it has what came after the backup")
	}
}

func TestABackupWhileOthersWriteIsOfOneMoment(t *testing.T) {
	s := open(t, t.TempDir(), owned)
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			// Two records of one commit always have the same version.
			update(t, s, func(tx *store.Tx) {
				putTx(tx, key("a"), int64(n+1), strings.Repeat("x", n%5000))
				putTx(tx, key("b"), int64(n+1), strings.Repeat("y", n%5000))
			})
		}
		written <- n
	}()
	var last int64
	for range 20 {
		dir := t.TempDir()
		restore(t, backup(t, s), dir)
		copied := open(t, dir)
		if a := copied.Meta(key("a")); a != nil {
			b := copied.Meta(key("b"))
			if b == nil || a.Version != b.Version || len(spec(t, copied, key("a"))) != len(spec(t, copied, key("b"))) {
				t.Errorf("a has version %d, b is %+v", a.Version, b)
			}
			if a.Version < last {
				t.Errorf("version %d after %d", a.Version, last)
			}
			last = a.Version
		}
		closeStore(t, copied)
	}
	cancel()
	t.Logf("%d commits, the last backup has version %d", <-written, last)
}

func TestARestoredStoreIsNew(t *testing.T) {
	s := open(t, t.TempDir(), owned)
	put(t, s, key("here"), 3, `{"a":1}`)
	put(t, s, key("gone"), 4, `{"b":2}`)
	update(t, s, func(tx *store.Tx) {
		bury(tx, key("gone"))
		tx.SetSetting("synced", []byte(`[{}]`))
		tx.SetSetting("other", []byte(`1`))
	})
	file := backup(t, s)
	before := put(t, s, key("more"), 1, `{}`).Revision

	dir := t.TempDir()
	if r := restore(t, file, dir); r.Records != 1 {
		t.Errorf("%d records, want 1", r.Records)
	}
	copied := open(t, dir, owned)
	if copied.Setting("synced") != nil || string(copied.Setting("other")) != "1" {
		t.Errorf("synced is %q, other is %q", copied.Setting("synced"), copied.Setting("other"))
	}
	if copied.Meta(key("gone")) != nil {
		t.Error("it remembers what was deleted")
	}
	if m := copied.Meta(key("here")); m == nil || m.Version != 3 {
		t.Errorf("it holds %+v", m)
	}
	if copied.Revision() <= before {
		t.Errorf("revision %s is not above %s", copied.Revision(), before)
	}
	_, err := copied.Changes(before, 10)
	wantCode(t, err, resource.Expired)
	put(t, copied, key("here"), 4, `{"a":2}`)
}

func TestARestoreKeepsTheStoreBefore(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, owned)
	put(t, s, key("a"), 1, `"old"`)
	file := backup(t, s)
	put(t, s, key("a"), 2, `"new"`)
	wantRefused(t, file, dir, "stop it first")
	closeStore(t, s)

	r := restore(t, file, dir)
	if got := spec(t, open(t, dir), key("a")); got != `"old"` {
		t.Errorf("restored %s", got)
	}
	if got := spec(t, open(t, r.Aside), key("a")); got != `"new"` {
		t.Errorf("kept %s", got)
	}
}

// A store that is damaged is why there are backups.
func TestARestoreOverADamagedStore(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, key("a"), 1, `1`)
	file, dir := backup(t, s), t.TempDir()
	for _, name := range []string{"sidecar.db", "sidecar.journal.7"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("garbage"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := restore(t, file, dir)
	if got := spec(t, open(t, dir), key("a")); got != `1` {
		t.Errorf("restored %s", got)
	}
	if got := files(t, r.Aside); got != "sidecar.db sidecar.journal.7" {
		t.Errorf("kept %s", got)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatIsNoBackupIsRefused(t *testing.T) {
	s := open(t, t.TempDir(), func(o *store.Options) { o.Owner = "source hub2" })
	put(t, s, key("a"), 1, `1`)
	good := read(t, backup(t, s))
	dir := t.TempDir()
	wantRefused(t, writeFile(t, good), dir, "the store of source hub2, and this is source hub1")
	for _, cut := range []int{0, 5, 10000, len(good) - 1} {
		wantRefused(t, writeFile(t, good[:cut]), dir, "not a backup")
	}
	wantRefused(t, s.Path(), dir, "not a backup")
	wantRefused(t, filepath.Join(dir, "none"), dir, "no such file")
	wantRefused(t, dir, dir, "not a regular file")
	for _, at := range []int{20, 5000, len(good) / 2, len(good) - 1} {
		bad := bytes.Clone(good)
		bad[at] ^= 1
		wantRefused(t, writeFile(t, bad), dir, "not as it was written")
	}
}

// FuzzRestore changes bytes of a backup: whatever it is then, it is refused.
func FuzzRestore(f *testing.F) {
	s := open(f, f.TempDir())
	for i := range 20 {
		put(f, s, key(fmt.Sprint(i)), 1, strings.Repeat("x", 1000*i))
	}
	good := read(f, backup(f, s))
	for _, at := range []uint32{0, 16, 4096, 8192, 12288, 20000} {
		f.Add(at, byte(0xff), uint32(len(good))-at-1, byte(1))
	}
	f.Fuzz(func(t *testing.T, at1 uint32, b1 byte, at2 uint32, b2 byte) {
		changed := bytes.Clone(good)
		changed[int(at1)%len(good)] ^= b1
		changed[int(at2)%len(good)] ^= b2
		_, err := store.Restore(store.RestoreOptions{From: writeFile(t, changed), Dir: t.TempDir()})
		if same := bytes.Equal(changed, good); same != (err == nil) {
			t.Errorf("changed: %v, error %v", !same, err)
		}
	})
}
