package mqtt

import (
	"sync"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/topics"
)

// maxTopics bounds the topics that are remembered; a source has one for each
// cluster.
const maxTopics = 16 << 10

// topicNames knows where events go, and remembers it: finding out is slow.
type topicNames struct {
	topics      topics.Topics
	role        resource.Role
	id, cluster string

	mu    sync.RWMutex
	known map[topics.Address]string
}

func newTopicNames(o Options) *topicNames {
	return &topicNames{topics: o.Topics, role: o.Role, id: o.ID, cluster: o.Cluster, known: map[topics.Address]string{}}
}

// of is the topic to publish the event to.
func (t *topicNames) of(e *event.Event) (string, error) {
	to := t.address(e)
	t.mu.RLock()
	topic, ok := t.known[to]
	t.mu.RUnlock()
	if ok {
		return topic, nil
	}
	topic, err := t.topics.Publish(t.role, to)
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.known) >= maxTopics {
		clear(t.known)
	}
	t.known[to] = topic
	return topic, nil
}

// address is whom the event is for (docs/protocol.md, Topics): a request that
// names no peer goes to all.
func (t *topicNames) address(e *event.Event) topics.Address {
	request := e.Type.Action == event.ResyncRequest
	if t.role == resource.Source {
		return topics.Address{Source: t.id, Cluster: e.Cluster, Broadcast: request && e.Cluster == ""}
	}
	return topics.Address{Source: e.OriginalSource, Cluster: t.cluster, Broadcast: request && e.OriginalSource == ""}
}
