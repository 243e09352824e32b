package story

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
)

// The names in every story, those of the golden captures.
const (
	SourceID = "hub1"
	Cluster  = "cluster1"
	AgentID  = "cluster1-agent"
)

// Options are what the tellings of a story can differ in.
type Options struct {
	Layout harness.Layout
	// SessionExpiry of the sidecars; empty is their default.
	SessionExpiry string
	// SDKFile configures the sidecars by a file of the SDK's form.
	SDKFile bool
}

// setTopics leaves the sidecar its defaults where they are the layout's.
func (o Options) setTopics(config *harness.SidecarConfig, layout harness.Layout, topics harness.Topics) {
	config.SDKFile = o.SDKFile
	if layout != harness.DefaultLayout || o.SDKFile {
		config.Topics = &topics
	}
}

// SDK is one version of the OCM SDK.
type SDK struct {
	Name      string // "sdk-go v1.2.0"
	Connector fleet.Connector
	// NoStatusHash: its events of a status carry no statushash attribute.
	NoStatusHash bool
}

// Pairing says who plays which side.
type Pairing struct {
	Name                string
	OurSource, OurAgent bool // played by the sidecar; else by the SDK
}

// The pairings. SelfCheck proves a story and the harness.
var (
	SDKToOurs = Pairing{Name: "sdk-source-our-agent", OurAgent: true}
	OursToSDK = Pairing{Name: "our-source-sdk-agent", OurSource: true}
	SelfCheck = Pairing{Name: "sdk-source-sdk-agent"}

	All   = []Pairing{SelfCheck, SDKToOurs, OursToSDK}
	Mixed = []Pairing{SDKToOurs, OursToSDK}
)

// World is where a story takes place. The peers are not started.
type World struct {
	SDK      SDK
	Pairing  Pairing
	Broker   *harness.Broker
	Observer *harness.Observer
	Source   Source
	Agent    Agent
	Link     fleet.Link
}

// NewWorld starts a broker with an observer and prepares the peers.
func NewWorld(t *testing.T, sdk SDK, kind harness.BrokerKind, pairing Pairing, options Options) *World {
	t.Helper()
	if options.Layout == (harness.Layout{}) {
		options.Layout = harness.DefaultLayout
	}
	broker := harness.StartBroker(t, kind)
	link := fleet.Link{Broker: broker, Layout: options.Layout, Source: SourceID, Agent: AgentID, Cluster: Cluster}
	w := &World{SDK: sdk, Pairing: pairing, Broker: broker, Observer: harness.Observe(t, broker), Link: link}
	if pairing.OurSource {
		w.Source = NewSidecarSource(t, link, options)
	} else {
		w.Source = fleet.NewSource(sdk.Name, link, sdk.Connector)
	}
	if pairing.OurAgent {
		w.Agent = NewSidecarAgent(t, link, options)
	} else {
		w.Agent = fleet.NewAgent(sdk.Name, link, sdk.Connector)
	}
	// Peers go before the broker does, so that none is left reconnecting.
	t.Cleanup(func() { w.Agent.Stop(t) })
	t.Cleanup(func() { w.Source.Stop(t) })
	return w
}

// Start starts both.
func (w *World) Start(t *testing.T) {
	t.Helper()
	w.Source.Start(t)
	w.Agent.Start(t)
}

// AwaitSpec waits until the agent holds what the source has declared, with the
// same version.
func (w *World) AwaitSpec(t *testing.T, id string) {
	t.Helper()
	eventually(t, "the agent holds "+id, func() error {
		want, declared := w.Source.Get(t, id)
		got, held := w.Agent.Get(t, id)
		switch {
		case !declared:
			return errors.New("the source does not have it")
		case !held:
			return errors.New("it does not")
		case got.Version != want.Version:
			return fmt.Errorf("version %d, want %d", got.Version, want.Version)
		case !harness.SameJSON(got.Spec, want.Spec):
			return fmt.Errorf("spec %s, want %s", got.Spec, want.Spec)
		case got.Deleting():
			return errors.New("it is deleting")
		case got.Source != SourceID:
			return fmt.Errorf("source %q, want %q", got.Source, SourceID)
		}
		return nil
	})
}

// AwaitStatus waits until the source has what the agent has reported, about
// the same version.
func (w *World) AwaitStatus(t *testing.T, id string) {
	t.Helper()
	want, ok := w.Agent.Get(t, id)
	if !ok {
		t.Fatalf("the agent does not hold %s", id)
	}
	eventually(t, "the source has the status of "+id, func() error {
		got, ok := w.Source.Get(t, id)
		switch {
		case !ok:
			return errors.New("it does not have the resource")
		case !harness.SameJSON(got.Status, want.Status):
			return fmt.Errorf("status %s, want %s", got.Status, want.Status)
		case got.StatusVersion != want.StatusVersion:
			return fmt.Errorf("status of version %d, want %d", got.StatusVersion, want.StatusVersion)
		}
		return nil
	})
}

// AwaitDeleting waits until the agent is told to delete.
func (w *World) AwaitDeleting(t *testing.T, id string) {
	t.Helper()
	eventually(t, "the agent is told to delete "+id, func() error {
		got, ok := w.Agent.Get(t, id)
		switch {
		case !ok:
			return errors.New("it does not hold it")
		case !got.Deleting():
			return errors.New("it holds it as not deleting")
		}
		return nil
	})
}

// FinishDeletion has the agent confirm a deletion, again if it is told again
// (a delete may cross the confirmation), and waits until neither side has the
// resource.
func (w *World) FinishDeletion(t *testing.T, id string) {
	t.Helper()
	eventually(t, id+" is gone on both sides", func() error {
		held, ok := w.Agent.Get(t, id)
		if ok {
			if held.Deleting() && !fleet.SaysDeleted(held.Status) {
				w.Agent.Confirm(t, id)
			}
			return fmt.Errorf("the agent holds it, deleting %t, status %s", held.Deleting(), held.Status)
		}
		if d, ok := w.Source.Get(t, id); ok {
			return fmt.Errorf("the source has it, deleting %t", d.Deleting())
		}
		return nil
	})
}

// AwaitGone waits until a peer has forgotten the resource.
func AwaitGone(t *testing.T, peer Peer, id string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%T has forgotten %s", peer, id), func() error {
		if got, ok := peer.Get(t, id); ok {
			return fmt.Errorf("it has it, deleting %t, status %s", got.Deleting(), got.Status)
		}
		return nil
	})
}

func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	harness.Eventually(t, harness.Patience, what, check)
}

// Spec makes a spec that differs with n. The number does not survive a way
// through floating point.
func Spec(n int) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"model":"tractor-x","serial":9007199254740993,"interval":%d}`, n))
}

// StatusOf makes a status that differs with n.
func StatusOf(n int) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"observed":{"interval":%d},"conditions":[{"type":"Applied","status":"True","reason":"OK","message":"","lastTransitionTime":"2026-01-02T03:04:05Z"}]}`, n))
}

// ids makes n ids.
func ids(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s-%03d", prefix, i)
	}
	return all
}
