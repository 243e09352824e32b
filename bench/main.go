package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
)

// options of a run.
type options struct {
	sidecar string
	brokers []string
	only    string
	rounds  int
	loops   int // of a latency round
	events  int // of a throughput round
	many    int // resources of the memory table
	gap     time.Duration
}

func main() {
	if relayed() {
		return
	}
	o := parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse() options {
	o := options{}
	flag.StringVar(&o.sidecar, "sidecar", "../bin/sidecar", "the built sidecar")
	brokers := flag.String("brokers", "mochi,mosquitto", "brokers to measure over")
	flag.StringVar(&o.only, "only", "", "one of latency, roundtrip, throughput, footprint; empty = all")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; each goes over all peers")
	flag.IntVar(&o.loops, "loops", 800, "closed loops of a latency round")
	flag.IntVar(&o.events, "events", 2000, "events of a throughput round")
	flag.IntVar(&o.many, "many", 10000, "resources of the memory table")
	flag.DurationVar(&o.gap, "gap", 0, "a rest between two closed loops")
	flag.Parse()
	o.brokers = strings.Split(*brokers, ",")
	return o
}

// run measures over one broker after the other.
func run(ctx context.Context, o options) error {
	if info, err := os.Stat(o.sidecar); err != nil || info.IsDir() {
		return fmt.Errorf("there is no sidecar at %s: make build", o.sidecar)
	}
	results := &table{}
	for _, kind := range o.brokers {
		if err := overBroker(ctx, o, kind, results); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	if o.only == "" || o.only == "footprint" {
		if err := footprint(ctx, o, results); err != nil {
			return fmt.Errorf("footprint: %w", err)
		}
	}
	return results.print(os.Stdout)
}

// overBroker measures all peers in turn, round after round.
func overBroker(ctx context.Context, o options, kind string, results *table) error {
	b, err := startBroker(o.sidecar, kind)
	if err != nil {
		return err
	}
	defer b.stop()
	for _, s := range scenarios(o) {
		if o.only != "" && o.only != s.name {
			continue
		}
		for round := range o.rounds {
			for _, p := range peers {
				if p.oneWay && s.bothWays {
					continue
				}
				if err := s.measure(ctx, o, b, p, results); err != nil {
					return fmt.Errorf("%s of %s, round %d: %w", s.name, p.name, round, err)
				}
			}
		}
	}
	return nil
}
