package topics

import (
	"errors"
	"fmt"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// ErrNoBroadcast: there is no topic that reaches every peer. Each known peer
// can still be addressed by itself.
var ErrNoBroadcast = errors.New("no topic reaches every peer")

// Address is whom an event is for. Source is the owner of the resources that
// it speaks of, Cluster where they are; in a broadcast the peer's side is
// empty.
type Address struct {
	Source, Cluster string
	Broadcast       bool // by a source: to every cluster; by an agent: to every source
}

// Publish is the topic that the role publishes an event to. A share is left
// away, and an open position is filled from the address. An agent without
// agentBroadcast falls back to its agentEvents, if that is of one source.
func (t Topics) Publish(role resource.Role, to Address) (string, error) {
	p, err := t.publishPattern(role, to)
	if err != nil {
		return "", err
	}
	if p.Source, err = address("source", p.Source, to.Source); err != nil {
		return "", fmt.Errorf("publish to %s: %w", p, err)
	}
	if p.Cluster, err = address("cluster", p.Cluster, to.Cluster); err != nil {
		return "", fmt.Errorf("publish to %s: %w", p, err)
	}
	return p.topic(), nil
}

func (t Topics) publishPattern(role resource.Role, to Address) (Pattern, error) {
	switch {
	case role == resource.Source && !to.Broadcast:
		return Parse(t.SourceEvents)
	case role == resource.Source && t.SourceBroadcast == "":
		return Pattern{}, fmt.Errorf("%w: sourceBroadcast is not set", ErrNoBroadcast)
	case role == resource.Source:
		return Parse(t.SourceBroadcast)
	case !to.Broadcast:
		return Parse(t.AgentEvents)
	case t.AgentBroadcast != "":
		return Parse(t.AgentBroadcast)
	}
	p, err := Parse(t.AgentEvents)
	if err == nil && p.Source == wildcard {
		err = fmt.Errorf("%w: agentBroadcast is not set, and agentEvents is not of one source", ErrNoBroadcast)
	}
	return p, err
}

// address fills a position with the name. A position that is not open takes no
// other name: the event would reach a peer that drops it.
func address(what, position, name string) (string, error) {
	switch {
	case position == "": // the kind has no such position
		return "", nil
	case name == "" && position != wildcard:
		return position, nil
	case position != wildcard && position != name:
		return "", fmt.Errorf("the event is for %s %s, the topic is of %s", what, name, position)
	}
	return name, resource.ValidateName(what, name)
}
