package store_test

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/store"
)

// A store at rest must not count with the size of its file.
func TestTheFileDoesNotStayInMemory(t *testing.T) {
	s := open(t, t.TempDir(), noSync)
	fillLarge(t, s, 20)
	for i := range 200 { // fewer than make the store look after it at once
		spec(t, s, key(fmt.Sprintf("r-%d-%d", i%20, i%100)))
	}
	const limit = 1 << 10
	end := time.Now().Add(10 * time.Second)
	for resident(t, s.Path()) > limit && time.Now().Before(end) {
		time.Sleep(20 * time.Millisecond)
	}
	if got := resident(t, s.Path()); got > limit {
		t.Errorf("%d KiB of a file of %d KiB are in memory, want at most %d", got, s.Bytes()>>10, limit)
	}
}

// A scan of all does not bring the whole file into memory at once.
func TestAScanLetsGoOfTheFile(t *testing.T) {
	s := open(t, t.TempDir(), noSync)
	fillLarge(t, s, 40)
	checkpoint(t, s)
	most := 0
	err := s.Scan(store.ListOptions{}, 128, func([]*store.Record) bool {
		most = max(most, resident(t, s.Path()))
		return true
	})
	if file := int(s.Bytes() >> 10); err != nil || most == 0 || most > file/2 {
		t.Errorf("%d KiB of a file of %d KiB were in memory: %v", most, file, err)
	}
}

// fillLarge stores so many hundreds of records of 8 KiB, r-0-0 and on.
func fillLarge(t *testing.T, s *store.Store, hundreds int) {
	t.Helper()
	large := strings.Repeat("x", 8<<10)
	for i := range hundreds {
		update(t, s, func(tx *store.Tx) {
			for j := range 100 {
				putTx(tx, key(fmt.Sprintf("r-%d-%d", i, j)), 1, large)
			}
		})
	}
}

// resident is how much of a mapped file counts as memory of this process, in
// KiB.
func resident(t *testing.T, path string) (kib int) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	ours, mapped := false, false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) > 1 && !strings.HasSuffix(fields[0], ":"):
			ours = fields[len(fields)-1] == path
			mapped = mapped || ours
		case ours && fields[0] == "Rss:":
			var n int
			fmt.Sscan(fields[1], &n)
			kib += n
		}
	}
	if !mapped {
		t.Fatalf("%s is not mapped", path)
	}
	return kib
}
