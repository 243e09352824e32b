//go:build e2e

package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

const (
	manyChanges     = 10_000
	loadChanges     = 2_000 // of 2 KiB
	sleepers        = 500   // watchers that never read
	readers         = 500
	watchersMemory  = 150 << 20 // of a source with all of them
	fastWatchers    = 100
	watcherRestarts = 3
)

// lonelySource is a source without a broker: nothing changes but what is put.
func lonelySource(t *testing.T) *sidecar {
	t.Helper()
	s := newSidecar(t, resource.Source, freeAddr(t), nil)
	s.start(t)
	return s
}

// devicesFrom yields new devices.
func devicesFrom(first, n int, filling string) iter.Seq2[resource.PutRequest, error] {
	return func(yield func(resource.PutRequest, error) bool) {
		for i := range n {
			req := resource.PutRequest{Key: deviceKey(fmt.Sprintf("dev-%d", first+i))}
			req.Spec.Data = fmt.Appendf(nil, `{"n":%d,"filling":%q}`, first+i, filling)
			if !yield(req, nil) {
				return
			}
		}
	}
}

func (s *sidecar) apply(t testing.TB, prune *resource.Scope, items iter.Seq2[resource.PutRequest, error]) *resource.ApplyResult {
	t.Helper()
	result, err := s.api.Apply(context.Background(), prune, items)
	if err != nil || result.Failed > 0 {
		t.Fatalf("apply: %+v, %v", result, err)
	}
	return result
}

// TestThousandWatchers: watchers that read get every change though as many
// others do not read at all; those cost little, and are cut.
func TestThousandWatchers(t *testing.T) {
	s := lonelySource(t)
	idle := s.proc.memory(t)
	var seen [readers]atomic.Int64
	var group sync.WaitGroup
	for range sleepers {
		s.dialWatch(t)
	}
	for i := range readers {
		conn := s.dialWatch(t)
		group.Go(func() { countLines(conn, `{"type":"ADDED"`, &seen[i]) })
	}
	s.refusesAWatch(t)
	open := s.proc.memory(t)
	began := time.Now()
	peak := s.peak(t, func() {
		for i := range loadChanges / 100 {
			s.apply(t, nil, devicesFrom(100*i, 100, filling))
		}
		eventually(t, patience, "all readers have seen all changes", func() error {
			for i := range seen {
				if n := seen[i].Load(); n != loadChanges {
					return fmt.Errorf("watcher %d has seen %d", i, n)
				}
			}
			return nil
		})
	})
	t.Logf("%d watchers, of which %d never read: idle %s; all open %s; peak over %d changes %s, in %s",
		readers+sleepers, sleepers, idle, open, loadChanges, peak, time.Since(began).Round(time.Millisecond))
	if peak.rss > watchersMemory {
		t.Errorf("the source has %s, want less than %d MB", peak, watchersMemory>>20)
	}
	cut := eventually(t, patience, "those that never read are cut", func() error {
		n := s.proc.descriptors(t)
		return expect(n < readers+sleepers/2, "the source has %d open descriptors", n)
	})
	t.Logf("those that never read were cut %s later; now %s", cut.Round(time.Second), s.proc.memory(t))
	s.kill()
	group.Wait()
}

// refusesAWatch checks that there are as many watches as there may be.
func (s *sidecar) refusesAWatch(t testing.TB) {
	t.Helper()
	for _, err := range s.api.Watch(context.Background(), resource.WatchRequest{}) {
		var refusal *resource.Error
		if !errors.As(err, &refusal) || refusal.Code != resource.TooManyRequests || refusal.RetryAfter <= 0 {
			t.Fatalf("one more watch: %v", err)
		}
	}
}

// countLines counts the lines that begin so until the connection ends.
func countLines(conn net.Conn, begin string, n *atomic.Int64) {
	lines := bufio.NewReaderSize(conn, 64<<10)
	for fresh := true; ; {
		part, err := lines.ReadSlice('\n')
		if fresh && strings.HasPrefix(string(part[:min(len(part), len(begin))]), begin) {
			n.Add(1)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
		fresh = err == nil
	}
}

// dialWatch opens a watch of which nothing is read but that there is nothing.
func (s *sidecar) dialWatch(t testing.TB) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", s.socket())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	fmt.Fprintf(conn, "GET /v1/resources?watch=true HTTP/1.1\r\nHost: sidecar\r\n\r\n")
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	said, part := "", make([]byte, 4<<10)
	for !strings.Contains(said, `{"type":"SYNCED"`) {
		n, err := conn.Read(part)
		if err != nil {
			t.Fatalf("open a watch: %v; it said %q", err, said)
		}
		said += string(part[:n])
	}
	_ = conn.SetReadDeadline(time.Time{})
	return conn
}

// peak is the most memory that the process had while f ran.
func (s *sidecar) peak(t testing.TB, f func()) (most memory) {
	t.Helper()
	ended := make(chan struct{})
	measured := make(chan memory)
	go func() {
		var most memory
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			if m := s.proc.memory(t); m.rss > most.rss {
				most = m
			}
			select {
			case <-tick.C:
			case <-ended:
				measured <- most
				return
			}
		}
	}()
	f()
	close(ended)
	return <-measured
}

// TestWatchersOverRestarts: a hundred watchers that resume by the last revision
// they saw miss nothing and see nothing twice, whenever the sidecar is killed.
func TestWatchersOverRestarts(t *testing.T) {
	s := lonelySource(t)
	var group sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	stop := func() { cancel(); group.Wait() }
	defer stop()
	logs := make([]*watchLog, fastWatchers)
	for i := range logs {
		logs[i] = newWatchLog()
		group.Go(func() { logs[i].follow(ctx, client.New(s.socket())) })
	}
	for _, log := range logs { // what is there when a watch begins comes in another order
		eventually(t, patience, "all watches have begun", func() error { return expect(log.began(), "one has not") })
	}
	for i := range watcherRestarts + 1 {
		const part = manyChanges / (watcherRestarts + 1)
		applied := make(chan struct{})
		go func() {
			defer close(applied)
			s.insist(devicesFrom(part*i, part, ""))
		}()
		if i < watcherRestarts {
			eventually(t, patience, "some changes were seen", func() error {
				return expect(logs[0].count() > part*i+part/3, "%d were", logs[0].count())
			})
			s.kill()
			s.start(t)
		}
		<-applied
	}
	eventually(t, patience, "all watchers have seen all changes", func() error {
		for i, log := range logs {
			if n := log.count(); n < manyChanges {
				return fmt.Errorf("watcher %d has seen %d", i, n)
			}
		}
		return nil
	})
	stop()
	for i, log := range logs {
		if log.fault != nil || log.count() != manyChanges {
			t.Errorf("watcher %d saw %d of %d changes: %v", i, log.count(), manyChanges, log.fault)
		}
	}
}

// insist applies the items again until all of them are there.
func (s *sidecar) insist(items iter.Seq2[resource.PutRequest, error]) {
	for {
		result, err := s.api.Apply(context.Background(), nil, items)
		if err == nil && result.Failed == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// watchLog is what one watcher saw of new resources.
type watchLog struct {
	mu     sync.Mutex
	synced bool
	last   resource.Revision
	seen   map[string]bool
	fault  error
}

func newWatchLog() *watchLog { return &watchLog{seen: map[string]bool{}} }

func (l *watchLog) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.seen)
}

func (l *watchLog) began() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.synced
}

// follow watches from the beginning, before there was anything.
func (l *watchLog) follow(ctx context.Context, c *client.Client) {
	defer c.Close()
	for event, err := range c.Follow(ctx, resource.WatchRequest{}) {
		if err != nil {
			return
		}
		l.note(event)
	}
}

func (l *watchLog) note(event resource.WatchEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch event.Type {
	case resource.WatchSynced, resource.WatchBookmark:
		l.synced = true
		return
	case resource.WatchAdded:
	default:
		l.fault = errors.Join(l.fault, fmt.Errorf("an event %s", event.Type))
		return
	}
	if l.seen[event.Resource.ID] || event.Resource.Revision <= l.last {
		l.fault = errors.Join(l.fault, fmt.Errorf("%s at %s after %s, seen before: %v", event.Resource.ID, event.Resource.Revision, l.last, l.seen[event.Resource.ID]))
	}
	l.seen[event.Resource.ID], l.last = true, event.Resource.Revision
}
