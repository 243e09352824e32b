package store_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pillion-dev/pillion/pkg/store"
)

func rss() string {
	b, _ := os.ReadFile("/proc/self/status")
	var out []string
	for _, l := range strings.Split(string(b), "\n") {
		for _, p := range []string{"VmRSS", "RssAnon", "RssFile", "VmHWM"} {
			if strings.HasPrefix(l, p) {
				out = append(out, strings.Join(strings.Fields(l), " "))
			}
		}
	}
	return strings.Join(out, " ")
}

func TestMeas(t *testing.T) {
	if os.Getenv("MEAS") == "" {
		t.Skip()
	}
	dir, _ := os.MkdirTemp("/tmp/meas", "x")
	defer os.RemoveAll(dir)
	sync := os.Getenv("NOSYNC") == ""
	s, err := store.Open(store.Options{Dir: dir, Sync: sync})
	if err != nil {
		t.Fatal(err)
	}
	batch, _ := strconv.Atoi(os.Getenv("MEAS"))
	body := strings.Repeat("x", 2048)
	idsl := make([]string, 10000)
	for i := range idsl {
		if os.Getenv("SEQ") != "" { idsl[i] = fmt.Sprintf("dev-%06d", i) } else { idsl[i] = uuid.NewString() }
	}
	t.Log("start ", rss())
	for round := range 3 {
	begin := time.Now()
	for i := 0; i < len(idsl); i += batch {
		err := s.Update(context.Background(), func(tx *store.Tx) error {
			for _, id := range idsl[i : i+batch] {
				putTx(tx, key(id), int64(round+1), body)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	d := time.Since(begin)
	runtime.GC()
	t.Logf("round %d: %v, %v per item, file %.1f MB, %s", round, d.Round(time.Millisecond), (d / 10000), float64(s.Bytes())/1e6, rss())
	}
	debug.FreeOSMemory()
	t.Log("freed ", rss())
	begin := time.Now()
	p, err := s.List(store.ListOptions{})
	t.Log("list", len(p.Records), time.Since(begin), err, rss())
	p = nil
	debug.FreeOSMemory()
	t.Log("freed ", rss())
	begin = time.Now()
	if err := s.Check(); err != nil { t.Fatal(err) }
	t.Log("check", time.Since(begin))
	s.Close()
	cmd := exec.Command(os.Args[0], "-test.run=TestReopenMeas", "-test.v")
	cmd.Env = append(os.Environ(), "REOPEN="+dir)
	out, _ := cmd.CombinedOutput()
	t.Log(string(out))
}

func TestReopenMeas(t *testing.T) {
	dir := os.Getenv("REOPEN")
	if dir == "" {
		t.Skip()
	}
	begin := time.Now()
	s, err := store.Open(store.Options{Dir: dir, Sync: true})
	d := time.Since(begin)
	debug.FreeOSMemory()
	t.Log("reopen", d, err, rss())
	p, _ := s.List(store.ListOptions{})
	n := len(p.Records)
	p = nil
	debug.FreeOSMemory()
	t.Log("after list", n, rss())
	s.Close()
}
