package proxy_test

import (
	"context"
	"fmt"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// backUp copies the source's store.
func (c *chaos) backUp() {
	b := backup{dir: c.source.copyDir(), wanted: map[resource.Key]want{}}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, w := range c.wanted {
		b.wanted[key] = *w
	}
	c.backups = append(c.backups, b)
}

// putBack replaces the store of the source, which is down, by an older copy.
// What the copy does not hold was never asked for.
func (c *chaos) putBack() {
	b := c.backups[c.random.IntN(len(c.backups))]
	c.source.dir = b.dir
	c.source.dir = c.source.copyDir()
	c.tell("put back an older store of the source")
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, w := range c.wanted {
		before, ok := b.wanted[key]
		switch {
		case ok && before.unwanted.IsZero():
			*w = before
		case w.unwanted.IsZero():
			w.unwanted = time.Now()
		}
	}
}

// settle mends everything and waits until both sides are equal; then they must
// stay so, and be quiet.
func (c *chaos) settle() {
	c.tell("from here on all is well")
	c.broker.calm()
	for _, n := range c.nodes() {
		n.refuse(false)
		n.calm.Store(true)
		if _, err := n.Requeue(context.Background(), resource.RequeueRequest{Queue: "resources", All: true}); err != nil {
			c.fail("requeue: %v", err)
		}
	}
	var wrong []string
	for range 24 * 12 {
		time.Sleep(5 * time.Minute)
		if wrong = c.unequal(); len(wrong) == 0 {
			break
		}
	}
	c.tell("settled")
	time.Sleep(time.Hour)
	for _, w := range append(wrong, c.unequal()...) {
		c.fail("in the end: %s", w)
	}
}

// unequal lists what is not yet as it should be.
func (c *chaos) unequal() (wrong []string) {
	wants := map[resource.Key]string{}
	c.mu.Lock()
	for key, w := range c.wanted {
		if w.unwanted.IsZero() {
			wants[key] = w.spec
		}
	}
	c.mu.Unlock()
	for _, n := range c.agents {
		wrong = append(wrong, c.compare(n, wants)...)
	}
	for _, n := range c.nodes() {
		if q := n.Queues()[0]; q.Depth+q.InFlight+q.Retrying > 0 {
			wrong = append(wrong, fmt.Sprintf("the queue of %s is not idle: %+v", n.name, q))
		}
		for _, check := range n.Ready() {
			if check.Err != nil {
				wrong = append(wrong, fmt.Sprintf("%s is not ready: %s: %v", n.name, check.Name, check.Err))
			}
		}
		if left := n.OutboxLen(); left > 0 {
			wrong = append(wrong, fmt.Sprintf("the outbox of %s holds %d keys", n.name, left))
		}
	}
	return wrong
}

// compare holds the resources of a cluster, at both sides, against what is
// wanted.
func (c *chaos) compare(agent *node, wants map[resource.Key]string) (wrong []string) {
	there, here := c.list(c.source, agent.name), c.list(agent, agent.name)
	say := func(key resource.Key, format string, args ...any) {
		wrong = append(wrong, describeKey(key)+" "+fmt.Sprintf(format, args...))
	}
	for key, spec := range wants {
		if key.Cluster != agent.name {
			continue
		}
		s, a := there[key], here[key]
		delete(there, key)
		delete(here, key)
		switch {
		case s == nil:
			say(key, "is wanted and not at the source")
		case a == nil:
			say(key, "is wanted and not at the agent; at the source %s, version %d", s.Sync.State, s.Version)
		case s.DeletionTimestamp != nil || a.DeletionTimestamp != nil:
			say(key, "is wanted and being deleted")
		case string(s.Spec) != spec:
			say(key, "is %s at the source, wanted %s", s.Spec, spec)
		case a.Version != s.Version:
			say(key, "has version %d at the agent, %d at the source", a.Version, s.Version)
		case string(a.Spec) != spec && c.contents[versionOf{key, s.Version}] != forked:
			say(key, "is %s at the agent, wanted %s", a.Spec, spec)
		case s.Sync.State != resource.Observed || s.Sync.Error != "":
			say(key, "is %s, version %d, status version %d there and %d here, error %q", s.Sync.State, s.Version, s.StatusVersion, a.StatusVersion, s.Sync.Error)
		case !event.Equal(s.Status, a.Status):
			say(key, "has status %s at the source, %s at the agent", s.Status, a.Status)
		}
	}
	for key := range there {
		say(key, "is at the source and not wanted")
	}
	for key := range here {
		say(key, "is at the agent and not wanted")
	}
	return wrong
}

func (c *chaos) list(n *node, cluster string) map[resource.Key]*resource.Resource {
	list, err := n.List(context.Background(), resource.ListRequest{Cluster: cluster})
	if err != nil {
		c.fail("list at %s: %v", n.name, err)
		return nil
	}
	all := map[resource.Key]*resource.Resource{}
	for _, res := range list.Items {
		all[res.Key] = res
	}
	return all
}
