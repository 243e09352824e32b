package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// TestChaos plays random stories between a source and its agents, over a
// broker that loses and repeats what brokers may: apps that put, delete and
// answer as they like, networks that break, processes that die, stores that
// are lost or put back. Invariants hold all along; in the end, with everything
// connected and the apps doing their work, both sides are equal.
//
// PILLION_CHAOS_SEEDS=1000 plays that many stories, PILLION_CHAOS_SEED=7 the
// one of that seed (its random choices, not its schedule), with
// PILLION_CHAOS_LOG=1 with the logs of the sidecars.
func TestChaos(t *testing.T) {
	seeds, first := environment(t, "PILLION_CHAOS_SEEDS", 8), 1
	if seed := environment(t, "PILLION_CHAOS_SEED", 0); seed > 0 {
		seeds, first = 1, seed
	}
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playChaos(t, uint64(seed)) })
		})
	}
}

func environment(t *testing.T, name string, otherwise int) int {
	value := os.Getenv(name)
	if value == "" {
		return otherwise
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// chaos is one story.
type chaos struct {
	t      *testing.T
	dir    string
	log    *slog.Logger
	random *rand.Rand
	broker *broker
	source *node
	agents []*node
	began  time.Time

	verbose  bool
	mu       sync.Mutex
	told     []string
	failed   bool
	wanted   map[resource.Key]*want
	backups  []backup
	contents map[versionOf]string
	putting  resource.Key // it may be wanted again, or not
	ids      int
	counter  int
}

// want is what the source's app has asked for last; unwanted since that time
// if it is set.
type want struct {
	spec     string
	unwanted time.Time
}

// backup is a copy of the source's store, and what its app wanted then.
type backup struct {
	dir    string
	wanted map[resource.Key]want
}

// versionOf is a version of a resource. Two timelines of a source whose store
// was put back may give the same number to two contents; which of them an
// agent holds cannot be told then.
type versionOf struct {
	key     resource.Key
	version int64
}

const forked = "given twice"

func playChaos(t *testing.T, seed uint64) {
	time.Sleep(27 * 365 * 24 * time.Hour) // sequence ids need a clock after 2010
	c := &chaos{t: t, random: rand.New(rand.NewPCG(seed, 1)), began: time.Now(),
		wanted: map[resource.Key]*want{}, contents: map[versionOf]string{}}
	var logs bytes.Buffer
	c.log = slog.New(slog.DiscardHandler)
	if os.Getenv("PILLION_CHAOS_LOG") != "" {
		c.verbose = true
		c.log = slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	var err error
	if c.dir, err = os.MkdirTemp("", "pillion-chaos"); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(c.dir)
	c.play()
	if c.failed {
		t.Logf("seed %d:\n%s\n%s", seed, strings.Join(c.told, "\n"), logs.String())
	}
}

// tell adds a line to the story.
func (c *chaos) tell(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, fmt.Sprintf("%12s  ", time.Since(c.began).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

func (c *chaos) fail(format string, args ...any) {
	c.tell("FAILED "+format, args...)
	c.t.Errorf(format, args...)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = true
}

func (c *chaos) play() {
	c.broker = newBroker(rand.New(rand.NewPCG(c.random.Uint64(), 0)), c.fail)
	c.broker.published = c.published
	c.ids = 1 + c.random.IntN(5)
	c.source = c.node(hub, resource.Source)
	c.agents = []*node{c.node("cluster1", resource.Agent)}
	if c.random.IntN(3) == 0 {
		c.agents = append(c.agents, c.node("cluster2", resource.Agent))
	}
	if err := c.source.Synced(context.Background(), resource.Scope{}); err != nil {
		c.fail("synced: %v", err)
	}
	for range 20 + c.random.IntN(80) {
		c.step()
		c.pause()
	}
	c.settle()
	for _, n := range c.nodes() {
		n.end()
	}
}

func (c *chaos) nodes() []*node { return append([]*node{c.source}, c.agents...) }

func (c *chaos) node(name string, role resource.Role) *node {
	n := &node{client: &client{broker: c.broker, name: name}, story: c, role: role, memory: map[resource.Key]*remembered{}}
	var err error
	if n.dir, err = os.MkdirTemp(c.dir, name); err != nil {
		c.t.Fatal(err)
	}
	n.start()
	return n
}

// pause lets time pass: mostly little, sometimes much.
func (c *chaos) pause() {
	if c.random.IntN(4) == 0 {
		return
	}
	synctest.Wait()
	switch unit := c.random.IntN(20); {
	case unit < 8:
		time.Sleep(time.Duration(c.random.IntN(20)) * time.Millisecond)
	case unit < 15:
		time.Sleep(time.Duration(c.random.IntN(5000)) * time.Millisecond)
	case unit < 19:
		time.Sleep(time.Duration(c.random.IntN(180)) * time.Second)
	default:
		time.Sleep(time.Duration(c.random.IntN(100)) * time.Minute)
	}
}

// step does one thing at random.
func (c *chaos) step() {
	switch n := c.random.IntN(100); {
	case n < 32:
		c.put()
	case n < 46:
		c.remove(false)
	case n < 49:
		c.remove(true)
	case n < 57:
		c.anyAgent().acts(c.random)
	case n < 75:
		c.network()
	case n < 79:
		c.tell("back up the source")
		c.backUp()
	default:
		c.process()
	}
}

func (c *chaos) anyAgent() *node { return c.agents[c.random.IntN(len(c.agents))] }

func (c *chaos) anyNode() *node {
	nodes := c.nodes()
	return nodes[c.random.IntN(len(nodes))]
}

func (c *chaos) anyKey() resource.Key {
	return resource.Key{DataType: devices, Source: hub, Cluster: c.anyAgent().name, ID: string(rune('a' + c.random.IntN(c.ids)))}
}

func (c *chaos) put() {
	key := c.anyKey()
	c.counter++
	spec := fmt.Sprintf(`{"n":%d}`, c.counter)
	c.puts(key)
	defer c.puts(resource.Key{})
	res, _, err := c.source.Put(context.Background(), resource.PutRequest{Key: key,
		Spec: resource.Payload{Data: []byte(spec), ContentType: "application/json"}})
	switch {
	case resource.CodeOf(err) == resource.DeletingCode && err != nil:
	case err != nil:
		c.fail("put: %v", err)
	default:
		c.tell("put %s %s as version %d", describeKey(key), spec, res.Version)
		c.mu.Lock()
		c.wanted[key] = &want{spec: spec}
		c.mu.Unlock()
	}
}

func (c *chaos) puts(key resource.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.putting = key
}

func describeKey(key resource.Key) string { return key.Cluster + "/" + key.ID }

func (c *chaos) remove(force bool) {
	key := c.anyKey()
	c.mu.Lock()
	before := c.wanted[key]
	c.mu.Unlock()
	_, done, err := c.source.Delete(context.Background(), resource.DeleteRequest{Key: key, Force: force})
	switch {
	case resource.CodeOf(err) == resource.NotFound && err != nil:
	case err != nil:
		c.fail("delete: %v", err)
	default:
		c.tell("delete %s, force %v: done %v", describeKey(key), force, done)
		if before != nil && before.unwanted.IsZero() {
			c.mu.Lock()
			defer c.mu.Unlock()
			before.unwanted = time.Now()
		}
	}
}

// wantedAfter tells whether the source wanted a resource at any time after t.
func (c *chaos) wantedAfter(key resource.Key, t time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.wanted[key]
	return w != nil && (w.unwanted.IsZero() || w.unwanted.After(t))
}

// published looks at what is handed to the broker.
func (c *chaos) published(e *event.Event) {
	if c.verbose {
		c.tell("    %s sends %s of %s v%d to %q: %s", e.Source, e.Type.Action, e.ResourceID, e.ResourceVersion, e.Cluster, e.Payload.Data)
	}
	if !e.Type.FromSource() || e.Type.Action == event.ResyncRequest || e.DeletionTimestamp != nil {
		return
	}
	key := resource.Key{DataType: devices, Source: hub, Cluster: e.Cluster, ID: e.ResourceID}
	c.mu.Lock()
	w := c.wanted[key]
	v, content := versionOf{key, e.ResourceVersion}, string(e.Payload.Data)
	if before, ok := c.contents[v]; ok && before != content {
		content = forked
	}
	c.contents[v] = content
	late := w != nil && key != c.putting && !w.unwanted.IsZero() && w.unwanted.Before(time.Now())
	c.mu.Unlock()
	if late {
		c.fail("a spec of %s was published %v after its deletion", describeKey(key), time.Since(w.unwanted))
	}
}

func (c *chaos) network() {
	n := c.anyNode()
	switch c.random.IntN(8) {
	case 0:
		c.tell("cut %s", n.name)
		n.cut()
	case 1, 2:
		c.tell("partition %s", n.name)
		n.refuse(true)
		n.cut()
		time.AfterFunc(time.Duration(c.random.IntN(100))*time.Second, func() { n.refuse(false) })
	case 3, 4, 5:
		deaf := c.random.IntN(3) == 0
		c.tell("stall %s, deaf %v", n.name, deaf)
		n.stall(deaf)
	case 6:
		forget := c.random.IntN(2) == 0
		c.tell("restart the broker, forget %v", forget)
		c.broker.restart(forget, true)
		time.AfterFunc(time.Duration(c.random.IntN(20))*time.Second, c.broker.up)
	case 7:
		c.tell("the broker restarts at once and forgets")
		c.broker.restart(true, false)
	}
}

func (c *chaos) process() {
	n := c.anyNode()
	switch what := c.random.IntN(12); {
	case what < 3:
		c.tell("restart %s", n.name)
		n.end()
	case what < 9:
		c.tell("kill %s", n.name)
		n.kill()
	case what == 9 && n.role == resource.Agent:
		c.tell("%s loses its store", n.name)
		n.kill()
		n.dir, _ = os.MkdirTemp(c.dir, n.name)
		n.memory = map[resource.Key]*remembered{}
	case len(c.backups) > 0:
		n = c.source
		n.kill()
		c.putBack()
	default:
		return
	}
	if c.random.IntN(2) == 0 {
		time.Sleep(time.Duration(c.random.IntN(100)) * time.Second)
	}
	n.forgetLeases()
	n.start()
}

// forgetLeases: they are of the process that has gone.
func (n *node) forgetLeases() {
	for _, r := range n.memory {
		r.leased = time.Time{}
	}
}
