package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// footprint is the size of the sidecar, on disk and in memory.
func footprint(ctx context.Context, o options, results *table) error {
	if err := binarySize(ctx, o, results); err != nil {
		return err
	}
	for range o.rounds {
		if err := startTime(o, results); err != nil {
			return err
		}
	}
	return memory(ctx, o, results)
}

const sidecarName = "sidecar sync:true"

// binarySize builds the sidecar as it is released.
func binarySize(ctx context.Context, o options, results *table) error {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := o.sidecar
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, "sidecar"), "./cmd/sidecar")
	build.Dir, build.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	if build.Run() == nil {
		path = filepath.Join(dir, "sidecar")
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	results.add("binary, MB", "", sidecarName, float64(info.Size())/(1<<20))
	return nil
}

// startTime is from exec to subscribed, of a new store.
func startTime(o options, results *table) error {
	b, err := startBroker(o.sidecar, "mosquitto")
	if err != nil {
		return err
	}
	defer b.stop()
	s, err := startSidecar(o.sidecar, resource.Agent, newNames(), b, true)
	if err != nil {
		return err
	}
	defer s.close()
	results.add("start to subscribed, ms", b.kind, sidecarName, float64(s.ready.Microseconds())/1000)
	return nil
}

// memory is what an agent and a source take, idle and with many resources that
// all have a status.
func memory(ctx context.Context, o options, results *table) error {
	b, err := startBroker(o.sidecar, "mosquitto")
	if err != nil {
		return err
	}
	defer b.stop()
	opened, err := openSidecars(ctx, o.sidecar, b, true)
	if err != nil {
		return err
	}
	defer opened.close()
	p := opened.(*sidecarPair)
	time.Sleep(time.Second)
	if err := addMemory(results, "idle", p); err != nil {
		return err
	}
	if err := load(ctx, p, o.many); err != nil {
		return err
	}
	if err := addMemory(results, fmt.Sprintf("with %d", o.many), p); err != nil {
		return err
	}
	time.Sleep(5 * time.Second)
	return addMemory(results, fmt.Sprintf("with %d, 5 s later", o.many), p)
}

func addMemory(results *table, when string, p *sidecarPair) error {
	for who, pid := range p.pids() {
		rss, anon, file, err := memoryOf(pid)
		if err != nil {
			return err
		}
		for name, mb := range map[string]float64{"resident": rss, "anonymous": anon, "file": file} {
			results.add(fmt.Sprintf("%s %s, MB %s", who, when, name), "mosquitto", sidecarName, mb)
		}
	}
	return nil
}

// load puts so many resources and waits until each has a status.
func load(ctx context.Context, p *sidecarPair, many int) error {
	failed := write(ctx, p, 16, many)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for a := range p.spec {
				_ = p.answer(ctx, a, statusOf(1)) // a failure brings it again
			}
		})
	}
	err := await(2*time.Minute, func() error {
		status, err := p.source.api.Status(ctx)
		if err == nil && status.Resources.Observed < many {
			err = fmt.Errorf("%d of %d are observed", status.Resources.Observed, many)
		}
		time.Sleep(50 * time.Millisecond)
		return err
	})
	if err != nil {
		return err
	}
	p.end()
	p.apps.Wait()
	close(p.spec)
	group.Wait()
	return <-failed
}
