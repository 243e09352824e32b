package sdk12

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/works"
)

const (
	manyWorks   = 10_000
	watchers    = 100
	worksMemory = 150 // MiB, once the garbage has gone
)

// many is a source with many works.
type many struct{ *works.Sidecar }

// TestTenThousandWorks measures what docs/works.md says. Memory has a limit;
// times depend on the machine and are printed.
func TestTenThousandWorks(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	link := works.NewLink(t, harness.BrokerKinds[0])
	s := many{works.StartSidecar(t, link, "source")}
	t.Logf("idle: %d MiB", residentMiB(t, s.PID()))
	began := time.Now()
	s.eachWork(t, func(name string) error {
		_, err := s.Works("cluster-"+name[len(name)-2:]).Create(context.Background(), bigWork(name), metav1.CreateOptions{})
		return err
	})
	t.Logf("made in %v, %d MiB", time.Since(began), residentMiB(t, s.PID()))

	for range 3 {
		began = time.Now()
		body, err := s.Clients.WorkV1().RESTClient().Get().AbsPath("/apis/work.open-cluster-management.io/v1/manifestworks").DoRaw(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("list of all: %v, %d bytes, %d MiB", time.Since(began), len(body), residentMiB(t, s.PID()))
	}
	s.isSmall(t)
	s.measureEvents(t)
	s.isSmall(t)
}

// isSmall gives the garbage time to go back to the system.
func (s many) isSmall(t *testing.T) {
	t.Helper()
	began, most := time.Now(), residentMiB(t, s.PID())
	harness.Eventually(t, 20*time.Second, "the sidecar is small", func() error {
		if now := residentMiB(t, s.PID()); now > worksMemory {
			return fmt.Errorf("it has %d MiB, want %d at most", now, worksMemory)
		}
		return nil
	})
	t.Logf("%d MiB, and %d after %v", most, residentMiB(t, s.PID()), time.Since(began))
}

// measureEvents sends a change of each work to many watchers: first as many
// clients that patch one after the other, then as one call that applies all.
func (s many) measureEvents(t *testing.T) {
	s.watched(t, "patched", func() {
		s.eachWork(t, func(name string) error {
			_, err := s.Works("cluster-"+name[len(name)-2:]).Patch(context.Background(), name, "application/merge-patch+json", []byte(`{"metadata":{"labels":{"round":"1"}}}`), metav1.PatchOptions{})
			return err
		})
	})
	lines := s.everything(t)
	s.watched(t, "applied", func() {
		answer, err := s.Clients.WorkV1().RESTClient().Post().AbsPath("/v1/resources/apply").
			SetHeader("Content-Type", "application/x-ndjson").Body(lines).DoRaw(context.Background())
		if err != nil || !bytes.Contains(answer, fmt.Appendf(nil, `"applied":%d,`, manyWorks)) {
			t.Fatalf("apply: %v, %.500s", err, answer)
		}
	})
}

// watched makes one change of every work and waits until all watchers were told.
func (s many) watched(t *testing.T, what string, change func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	list, err := s.Works("").List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	var told atomic.Int64
	var all sync.WaitGroup
	for range watchers {
		stream, err := s.Clients.WorkV1().RESTClient().Get().AbsPath("/apis/work.open-cluster-management.io/v1/manifestworks").
			Param("watch", "true").Param("resourceVersion", list.ResourceVersion).Stream(ctx)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() { countLines(stream, manyWorks, &told) })
	}
	began := time.Now()
	change()
	changed := time.Since(began)
	all.Wait()
	t.Logf("%d works %s in %v; %d watchers were told after %v, %d MiB", manyWorks, what, changed, watchers, time.Since(began), residentMiB(t, s.PID()))
	if told.Load() < manyWorks*watchers {
		t.Errorf("%d events were told, want %d", told.Load(), manyWorks*watchers)
	}
}

// everything is the body of an apply that changes the spec of every work.
func (s many) everything(t *testing.T) []byte {
	t.Helper()
	type declared struct {
		DataType string          `json:"dataType"`
		Cluster  string          `json:"cluster"`
		ID       string          `json:"id"`
		Spec     json.RawMessage `json:"spec"`
		Metadata json.RawMessage `json:"metadata"`
	}
	var page struct {
		Items    []declared `json:"items"`
		Continue string     `json:"continue"`
	}
	var lines bytes.Buffer
	for first := true; first || page.Continue != ""; first = false {
		body, err := s.Clients.WorkV1().RESTClient().Get().AbsPath("/v1/resources").
			Param("limit", "500").Param("continue", page.Continue).DoRaw(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		page.Items, page.Continue = nil, ""
		if err := json.Unmarshal(body, &page); err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			item.Spec = bytes.Replace(item.Spec, []byte("xxxx"), []byte("yyyy"), 1)
			if err := json.NewEncoder(&lines).Encode(item); err != nil {
				t.Fatal(err)
			}
		}
	}
	return lines.Bytes()
}

func countLines(stream interface{ Read([]byte) (int, error) }, want int, told *atomic.Int64) {
	buffer, seen := make([]byte, 64<<10), 0
	for seen < want {
		n, err := stream.Read(buffer)
		lines := bytes.Count(buffer[:n], []byte{'\n'})
		seen += lines
		told.Add(int64(lines))
		if err != nil {
			return
		}
	}
}

// eachWork calls do for every name, 16 at a time.
func (s many) eachWork(t *testing.T, do func(name string) error) {
	t.Helper()
	names := make(chan string)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for name := range names {
				if err := do(name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range manyWorks {
		names <- nameOf(i)
	}
	close(names)
	all.Wait()
}

// bigWork has about 2 KiB.
func bigWork(name string) *workv1.ManifestWork {
	return works.New(name, strings.Repeat("x", 1600), 0)
}

func residentMiB(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kib int
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			return kib / 1024
		}
	}
	t.Fatalf("no VmRSS in %s", text)
	return 0
}
