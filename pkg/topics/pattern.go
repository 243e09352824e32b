package topics

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Kind is the last level of a topic.
type Kind string

// The four kinds of topics.
const (
	SourceEvents    Kind = "sourceevents"
	AgentEvents     Kind = "agentevents"
	SourceBroadcast Kind = "sourcebroadcast"
	AgentBroadcast  Kind = "agentbroadcast"
)

// wildcard is the level that stands for any source or cluster.
const wildcard = "+"

// Pattern is a topic setting taken apart.
//
//	[$share/<Share>/]<Root>/<Source>/<ClusterRoot>/<Cluster>/<Kind>   events
//	[$share/<Share>/]<Root>/<Source>/sourcebroadcast
//	[$share/<Share>/]<ClusterRoot>/<Cluster>/agentbroadcast
type Pattern struct {
	Share       string // the group of a shared subscription, or nothing
	Root        string // the level before the source
	Source      string // a source id, or "+"
	ClusterRoot string // the level before the cluster
	Cluster     string // a cluster name, or "+"
	Kind        Kind
}

var (
	eventsPattern    = regexp.MustCompile(`^(?:\$share/([a-z0-9-]+)/)?([a-z]+)/([a-z0-9-]+|\+)/([a-z]+)/([a-z0-9-]+|\+)/(sourceevents|agentevents)$`)
	broadcastPattern = regexp.MustCompile(`^(?:\$share/([a-z0-9-]+)/)?([a-z]+)/([a-z0-9-]+|\+)/(sourcebroadcast|agentbroadcast)$`)
)

// maxLength bounds a setting, in bytes; a broker may allow less.
const maxLength = 1024

// Parse takes a topic setting apart.
func Parse(pattern string) (Pattern, error) {
	p, ok := match(pattern)
	if !ok || len(pattern) > maxLength {
		return Pattern{}, fmt.Errorf("topic %.200q has no known form", pattern)
	}
	if err := validatePosition("source", p.Source); err != nil {
		return Pattern{}, fmt.Errorf("topic %.200q: %w", pattern, err)
	}
	if err := validatePosition("cluster", p.Cluster); err != nil {
		return Pattern{}, fmt.Errorf("topic %.200q: %w", pattern, err)
	}
	return p, nil
}

func match(pattern string) (Pattern, bool) {
	if m := eventsPattern.FindStringSubmatch(pattern); m != nil {
		return Pattern{Share: m[1], Root: m[2], Source: m[3], ClusterRoot: m[4], Cluster: m[5], Kind: Kind(m[6])}, true
	}
	m := broadcastPattern.FindStringSubmatch(pattern)
	if m == nil {
		return Pattern{}, false
	}
	if Kind(m[4]) == SourceBroadcast {
		return Pattern{Share: m[1], Root: m[2], Source: m[3], Kind: SourceBroadcast}, true
	}
	return Pattern{Share: m[1], ClusterRoot: m[2], Cluster: m[3], Kind: AgentBroadcast}, true
}

// validatePosition takes a name, "+", or nothing where the kind has none.
func validatePosition(what, name string) error {
	if name == "" || name == wildcard {
		return nil
	}
	return resource.ValidateName(what, name)
}

// String is the setting: what to subscribe to.
func (p Pattern) String() string {
	if p.Share == "" {
		return p.topic()
	}
	return "$share/" + p.Share + "/" + p.topic()
}

// topic is the setting without its share: what to publish to, once no "+" is
// left in it.
func (p Pattern) topic() string {
	levels := make([]string, 0, 5)
	if p.Source != "" {
		levels = append(levels, p.Root, p.Source)
	}
	if p.Cluster != "" {
		levels = append(levels, p.ClusterRoot, p.Cluster)
	}
	return strings.Join(append(levels, string(p.Kind)), "/")
}
