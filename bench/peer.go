package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
)

// dataType is that of all resources.
const dataType = "com.example.bench.v1alpha1.devices"

// names are those of one pair. Each has its own, so that nothing which the
// broker keeps for one can reach another.
type names struct{ source, cluster, agent string }

var opened atomic.Int64

func newNames() names {
	run := strconv.FormatInt(opened.Add(1), 10)
	return names{source: "hub-" + run, cluster: "cluster-" + run, agent: "agent-" + run}
}

// A peer is a way to get specs from a source app to an agent app.
type peer struct {
	name   string
	open   func(ctx context.Context, o options, b *broker) (pair, error)
	oneWay bool // it brings specs, and no status back
}

// peers in the order of their turns; ratios are to the first.
var peers = []peer{
	{name: "sdk v1.2.0", open: openSDK},
	{name: "relay", open: openRelays, oneWay: true},
	{name: "sidecar sync:false", open: func(ctx context.Context, o options, b *broker) (pair, error) {
		return openSidecars(ctx, o.sidecar, b, false)
	}},
	{name: "sidecar sync:true", open: func(ctx context.Context, o options, b *broker) (pair, error) {
		return openSidecars(ctx, o.sidecar, b, true)
	}},
}

// pair is a source app and an agent app that can speak with each other.
type pair interface {
	// put writes a spec at the source app and returns when the write is done.
	put(ctx context.Context, id string, version int64, spec []byte) error
	// specs tells the agent app's, each once it is in the app's hand.
	specs() <-chan arrival
	// answer ends the agent app's work with a spec: with a status, or nil.
	answer(ctx context.Context, a arrival, status []byte) error
	// statuses tells the source app's.
	statuses() <-chan arrival
	// pids of the processes beside this one and the broker.
	pids() map[string]int
	close()
}

// arrival is a resource in an app's hand.
type arrival struct {
	id      string
	version int64
	lease   string // of the sidecar
}

// specBytes is the size of the specs.
const specBytes = 2048

// specOf is a spec of that size that is different for each number.
func specOf(n int) []byte {
	head := fmt.Sprintf(`{"n":%d,"filling":"`, n)
	return []byte(head + strings.Repeat("x", specBytes-len(head)-2) + `"}`)
}

// statusOf is a small status.
func statusOf(n int) []byte { return fmt.Appendf(nil, `{"n":%d,"ready":true}`, n) }
