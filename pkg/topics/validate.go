package topics

import (
	"errors"
	"fmt"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// SettingError is a fault of one topic setting, and how to put it right.
type SettingError struct {
	Setting string // sourceEvents, agentEvents, sourceBroadcast or agentBroadcast
	Value   string
	Problem string
	Write   string // a value that is right
}

// Error is one line: the setting, the fault, what to write.
func (e *SettingError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("%s %s: write %s", e.Setting, e.Problem, e.Write)
	}
	return fmt.Sprintf("%s %.200q: %s: write %s", e.Setting, e.Value, e.Problem, e.Write)
}

// setting is one of the four as a role sees it.
type setting struct {
	name     string
	value    *string
	kind     Kind
	optional bool
}

func (t *Topics) settings() []setting {
	return []setting{
		{"sourceEvents", &t.SourceEvents, SourceEvents, false},
		{"agentEvents", &t.AgentEvents, AgentEvents, false},
		{"sourceBroadcast", &t.SourceBroadcast, SourceBroadcast, true},
		{"agentBroadcast", &t.AgentBroadcast, AgentBroadcast, true},
	}
}

// Validate finds every fault that would make the sidecar mute, deaf, or heard
// under another name (docs/protocol.md, Topics). The faults are joined, each
// a *SettingError.
//
// A source speaks and listens under its own id, for all clusters. An agent has
// its own cluster, or "+" for it, everywhere, and may have "+" for the source.
// A share is allowed everywhere; publishing leaves it away.
func (t Topics) Validate(role resource.Role, id, cluster string) error {
	defaults := Defaults(role, id, cluster)
	fallbacks := defaults.settings()
	var faults []error
	for i, s := range t.settings() {
		if *s.value == "" && s.optional {
			continue
		}
		if fault := s.check(role, id, cluster, *fallbacks[i].value); fault != nil {
			faults = append(faults, fault)
		}
	}
	if fault := t.checkSources(role); fault != nil {
		faults = append(faults, fault)
	}
	return errors.Join(faults...)
}

// check returns nil or a *SettingError; fallback is the default value.
func (s setting) check(role resource.Role, id, cluster, fallback string) error {
	fault := &SettingError{Setting: s.name, Value: *s.value, Write: fallback}
	p, err := Parse(*s.value)
	var name *resource.Error
	switch {
	case *s.value == "":
		fault.Problem = "is missing"
	case errors.As(err, &name):
		fault.Problem = name.Detail
	case err != nil || p.Kind != s.kind:
		fault.Problem = "is not " + s.kind.form()
	default:
		want, problem := p.forRole(role, id, cluster)
		if problem == "" {
			return nil
		}
		fault.Problem, fault.Write = problem, want.String()
	}
	return fault
}

// forRole is the pattern with its positions as the role needs them, and what
// is wrong with them as they are.
func (p Pattern) forRole(role resource.Role, id, cluster string) (want Pattern, problem string) {
	want = p
	if role == resource.Agent {
		if p.Cluster != "" && p.Cluster != wildcard && p.Cluster != cluster {
			want.Cluster = cluster
			problem = fmt.Sprintf("this agent is of cluster %s, not %s", cluster, p.Cluster)
		}
		return want, problem
	}
	if p.Cluster != "" && p.Cluster != wildcard {
		want.Cluster = wildcard
		problem = "a source speaks with every cluster"
	}
	if p.Source == wildcard && p.Kind == SourceBroadcast {
		return want, problem // publishing fills in the id
	}
	if p.Source != "" && p.Source != id {
		want.Source = id
		problem = fmt.Sprintf("the source position must be this source's id %s, not %s", id, p.Source)
	}
	return want, problem
}

// checkSources: an agent that hears one source and answers another reaches
// neither.
func (t Topics) checkSources(role resource.Role) error {
	hears, err1 := Parse(t.SourceEvents)
	answers, err2 := Parse(t.AgentEvents)
	if role != resource.Agent || err1 != nil || err2 != nil || answers.Source == wildcard ||
		hears.Source == wildcard || hears.Source == answers.Source {
		return nil
	}
	problem := fmt.Sprintf("sourceEvents is of source %s, not %s", hears.Source, answers.Source)
	answers.Source = hears.Source
	return &SettingError{Setting: "agentEvents", Value: t.AgentEvents, Problem: problem, Write: answers.String()}
}

// form describes the topics of the kind to whoever writes a configuration.
func (k Kind) form() string {
	switch k {
	case SourceBroadcast:
		return "<root>/<source or +>/sourcebroadcast"
	case AgentBroadcast:
		return "<root>/<cluster or +>/agentbroadcast"
	default:
		return "<root>/<source or +>/<root>/<cluster or +>/" + string(k)
	}
}
