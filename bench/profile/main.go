// Profile wires a source and an agent out of the sidecar's own packages into
// one process, runs the closed loop of spec latency (or writers side by side)
// through a broker process, and says where the time goes: stage by stage, and
// as a pprof profile of the CPU.
//
//	go run ./profile -broker 127.0.0.1:1883 -cpu cpu.out && go tool pprof -top cpu.out
//
// One process has cheaper hand-overs than two: read shares, not absolutes.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/proxy"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
	"github.com/pillion-dev/pillion/pkg/topics"
	"github.com/pillion-dev/pillion/pkg/transport/mqtt"
)

const dataType = "com.example.bench.v1alpha1.devices"

func main() {
	broker := flag.String("broker", "127.0.0.1:1883", "a running broker")
	cpu := flag.String("cpu", "", "where to write the profile")
	mem := flag.String("mem", "", "where to write a profile of what was allocated")
	sync := flag.Bool("sync", false, "state.sync")
	seconds := flag.Int("seconds", 8, "how long")
	writers := flag.Int("writers", 1, "1: the closed loop of spec latency; more: throughput")
	gap := flag.Duration("gap", 0, "a rest between two loops")
	statuses := flag.Bool("status", false, "answer with a status")
	flag.Parse()
	err := run(*broker, *cpu, *sync, time.Duration(*seconds)*time.Second, *writers, *statuses, *gap)
	if err == nil && *mem != "" {
		err = writeAllocations(*mem)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func writeAllocations(path string) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	return pprof.Lookup("allocs").WriteTo(out, 0)
}

// marks are when one spec passed each stage.
type marks struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (m *marks) pass(stage string) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, passed := m.at[stage]; !passed {
		m.at[stage] = now
	}
}

// stages in the order in which a spec passes them.
var stages = []string{"put called", "backend has put", "publish called", "agent has delivery", "agent acknowledged", "lease handed out", "app has spec"}

func run(broker, cpu string, durable bool, length time.Duration, writers int, statuses bool, gap time.Duration) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m := &marks{at: map[string]time.Time{}}
	dir, err := os.MkdirTemp("", "profile-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	run := fmt.Sprint(os.Getpid())
	source, err := newSide(ctx, m, dir, resource.Source, "hub-"+run, "", broker, durable)
	if err != nil {
		return err
	}
	agent, err := newSide(ctx, m, dir, resource.Agent, "agent-"+run, "c-"+run, broker, durable)
	if err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond)
	if cpu != "" {
		out, err := os.Create(cpu)
		if err != nil {
			return err
		}
		defer out.Close()
		if err := pprof.StartCPUProfile(out); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if writers > 1 {
		return many(ctx, source, agent, "c-"+run, length, writers, statuses)
	}
	return loop(ctx, m, source, agent, "c-"+run, length, gap)
}

func newSide(ctx context.Context, m *marks, dir string, role resource.Role, id, cluster, broker string, durable bool) (*client.Client, error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := store.Open(store.Options{Dir: filepath.Join(dir, string(role)), Sync: durable, Log: log})
	if err != nil {
		return nil, err
	}
	set := topics.Defaults(role, id, cluster)
	driver, err := mqtt.New(mqtt.Options{Role: role, ID: id, Cluster: cluster, Topics: set, Brokers: []string{broker},
		ClientID: id + "-client", KeepAlive: time.Minute, DialTimeout: 5 * time.Second, PubQoS: 1, SubQoS: 1, SessionExpiry: time.Hour, Log: log})
	if err != nil {
		return nil, err
	}
	p, err := proxy.New(proxy.Options{Role: role, ID: id, Cluster: cluster, Store: s, Driver: &tapDriver{driver, m, role}, Log: log,
		Live: proxy.Live{DataTypes: []resource.DataType{dataType}, ShutdownGrace: time.Second,
			Resync: proxy.Resync{OnReconnect: true, Repeat: []time.Duration{5 * time.Second}, StatusEvery: time.Minute, SpecEvery: time.Minute, SpecEveryMax: time.Hour}}})
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, string(role)+".sock")
	listener, err := localapi.Listen(socket, 0o600)
	if err != nil {
		return nil, err
	}
	server := localapi.New(localapi.Options{Backend: &tapBackend{p, m}, Log: log})
	go func() { _ = server.Serve(ctx, listener) }()
	go func() { _ = p.Run(ctx) }()
	return client.New(socket), nil
}

var filling = strings.Repeat("x", 2000)

func specOf(n int) []byte { return []byte(`{"n":` + strconv.Itoa(n) + `,"filling":"` + filling + `"}`) }

func put(ctx context.Context, c *client.Client, cluster string, id, n int) error {
	_, _, err := c.Put(ctx, resource.PutRequest{Key: resource.Key{DataType: dataType, Cluster: cluster, ID: fmt.Sprintf("dev-%d", id)},
		Spec: resource.Payload{Data: specOf(n), ContentType: resource.JSONContentType}})
	return err
}

// loop is the closed loop, with the stages of each turn.
func loop(ctx context.Context, m *marks, source, agent *client.Client, cluster string, length, gap time.Duration) error {
	type got struct {
		items []resource.LeaseItem
		err   error
	}
	leased := make(chan got)
	go func() {
		for {
			items, err := agent.Lease(ctx, resource.LeaseRequest{Queue: "resources", Max: 1, Wait: 30 * time.Second})
			leased <- got{items, err}
			if err != nil {
				return
			}
		}
	}()
	took := map[string][]time.Duration{}
	for end, n := time.Now().Add(length), 0; time.Now().Before(end); n++ {
		time.Sleep(gap)
		m.mu.Lock()
		clear(m.at)
		m.mu.Unlock()
		m.pass("put called")
		written := make(chan error, 1)
		go func() {
			err := put(ctx, source, cluster, n%100, n)
			m.pass("put answered")
			written <- err
		}()
		g := <-leased
		m.pass("app has spec")
		if g.err != nil || len(g.items) == 0 {
			return fmt.Errorf("no spec came: is there a broker at that address? %w", g.err)
		}
		if err := <-written; err != nil {
			return err
		}
		if err := agent.Answer(ctx, g.items[0].Lease, resource.WorkResult{}); err != nil {
			return err
		}
		note(m, took)
	}
	report(took)
	return nil
}

func note(m *marks, took map[string][]time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := 1; i < len(stages); i++ {
		took[stages[i]] = append(took[stages[i]], m.at[stages[i]].Sub(m.at[stages[i-1]]))
	}
	took["= all"] = append(took["= all"], m.at["app has spec"].Sub(m.at["put called"]))
	took["(put answered)"] = append(took["(put answered)"], m.at["put answered"].Sub(m.at["put called"]))
}

func report(took map[string][]time.Duration) {
	for _, stage := range append(slices.Clone(stages[1:]), "= all", "(put answered)") {
		times := took[stage]
		slices.Sort(times)
		fmt.Printf("%-20s p50 %8s  p90 %8s\n", stage, times[len(times)/2].Round(time.Microsecond), times[len(times)*9/10].Round(time.Microsecond))
	}
}

// many is writers side by side, and an app that answers all.
func many(ctx context.Context, source, agent *client.Client, cluster string, length time.Duration, writers int, statuses bool) error {
	var group sync.WaitGroup
	var mu sync.Mutex
	done, end := 0, time.Now().Add(length)
	for range writers {
		group.Go(func() {
			for time.Now().Before(end) {
				items, err := agent.Lease(ctx, resource.LeaseRequest{Queue: "resources", Max: 4, Wait: 100 * time.Millisecond})
				for _, item := range items {
					result := resource.WorkResult{}
					if statuses {
						result.Status = fmt.Appendf(nil, `{"version":%d}`, item.Object.Version)
					}
					err = agent.Answer(ctx, item.Lease, result)
				}
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				mu.Lock()
				done += len(items)
				mu.Unlock()
			}
		})
	}
	for w := range writers {
		group.Go(func() {
			for n := w; time.Now().Before(end); n += writers {
				if err := put(ctx, source, cluster, n, n); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
			}
		})
	}
	group.Wait()
	fmt.Printf("%d handled in %s: %.0f/s\n", done, length, float64(done)/length.Seconds())
	return nil
}
