package story

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
	"github.com/pillion-dev/pillion/test/interop/harness/golden"
)

// What the golden captures are about.
const (
	goldenID = "6f1c1f8e-9d3a-4c1e-8f52-0b8e6a4f0001"
	ghostID  = "6f1c1f8e-9d3a-4c1e-8f52-0b8e6a4fdead"
)

var (
	goldenCreate = json.RawMessage(`{"interval":30,"model":"tractor-x","wifi":true}`)
	goldenUpdate = json.RawMessage(`{"interval":30,"model":"tractor-x","wifi":false}`)
	goldenStatus = json.RawMessage(`{"conditions":[{"lastTransitionTime":"2026-01-02T03:04:05Z","message":"","reason":"OK","status":"True","type":"Applied"}],"observed":{"wifi":true}}`)
	otherStatus  = json.RawMessage(`{"observed":{"wifi":"unknown"}}`)
)

// act is one thing that a peer says, and what it said.
type act struct {
	name    string
	packet  harness.Packet
	capture string // the number of the golden capture; empty = none of this act
	form    form   // of the payload, in the comparison with the capture
}

// form says how payloads are compared.
type form int

const (
	literal  form = iota // the same JSON
	skeleton             // the same members, whatever their values
	deletion             // the condition Deleted=True among whatever else
)

// packets: for the same acts the sidecar publishes what the SDK publishes,
// packet by packet, through every broker.
func packets(t *testing.T, sdk SDK, ours Pairing, perform func(*testing.T, *World) []act) {
	throughBrokers(t, func(t *testing.T, kind harness.BrokerKind) { comparePackets(t, sdk, kind, ours, perform) })
}

// comparePackets first holds the SDK's packets against the captures, which
// proves the comparison, then the sidecar's against both.
func comparePackets(t *testing.T, sdk SDK, kind harness.BrokerKind, ours Pairing, perform func(*testing.T, *World) []act) {
	t.Helper()
	var want []act
	t.Run(SelfCheck.Name, func(t *testing.T) {
		want = perform(t, NewWorld(t, sdk, kind, SelfCheck, asSDK))
		for _, a := range want {
			t.Run(a.name, func(t *testing.T) { likeCapture(t, sdk.Name, a, !sdk.NoStatusHash) })
		}
	})
	t.Run(ours.Name, func(t *testing.T) {
		got := perform(t, NewWorld(t, sdk, kind, ours, asSDK))
		if len(want) != len(got) {
			t.Fatalf("the SDK performed %d acts, the sidecar %d", len(want), len(got))
		}
		for i, a := range got {
			t.Run(a.name, func(t *testing.T) {
				likeCapture(t, "the sidecar", a, true)
				likeSDK(t, sdk, a, want[i])
				onlyRequestsExpire(t, a.packet)
				recentSequence(t, a.packet)
			})
		}
	})
}

// recorder collects the acts of one peer.
type recorder struct {
	t      *testing.T
	w      *World
	sender string
	acts   []act
}

// of does something and records the packet with that action that follows.
func (r *recorder) of(name, action, id, capture string, form form, do func()) {
	r.t.Helper()
	mark := r.w.Observer.Seen()
	do()
	match := harness.From(r.sender, action)
	if id != "" {
		match = harness.About(id, match)
	}
	packet := r.w.Observer.Await(r.t, mark, name, match)
	r.acts = append(r.acts, act{name: name, packet: packet, capture: capture, form: form})
}

// also records one more packet that the last deed has caused.
func (r *recorder) also(mark int, name, action, id, capture string, form form) {
	r.t.Helper()
	packet := r.w.Observer.Await(r.t, mark, name, harness.About(id, harness.From(r.sender, action)))
	r.acts = append(r.acts, act{name: name, packet: packet, capture: capture, form: form})
}

func sourceActs(t *testing.T, w *World) []act {
	t.Helper()
	r := &recorder{t: t, w: w, sender: SourceID}
	agent := w.Agent.(*fleet.Agent)
	r.of("status resync request to all", "status.resync_request", "", "", literal, func() { w.Source.Start(t) })
	agent.Start(t)
	r.of("create", "spec.create_request", goldenID, "01", literal, func() { w.Source.Put(t, goldenID, goldenCreate) })
	w.AwaitSpec(t, goldenID)
	r.of("update", "spec.update_request", goldenID, "03", literal, func() { w.Source.Put(t, goldenID, goldenUpdate) })
	w.AwaitSpec(t, goldenID)
	agent.Report(t, goldenID, goldenStatus)
	w.AwaitStatus(t, goldenID)
	r.of("status resync request to a cluster", "status.resync_request", "", "10", skeleton, func() { w.Source.Resync(t) })

	if source, ok := w.Source.(*SidecarSource); ok {
		must(t, source.API.Synced())
	}
	agent.Stop(t)
	agent.Hold(fleet.Device{ID: goldenID, Version: 1, Spec: goldenCreate, Status: goldenStatus, StatusVersion: 1})
	agent.Hold(fleet.Device{ID: ghostID, Version: 7, Spec: goldenCreate})
	mark := w.Observer.Seen()
	agent.Start(t)
	r.also(mark, "spec resync response, newer", "spec.resync_response", goldenID, "06", literal)
	r.also(mark, "spec resync response, unknown", "spec.resync_response", ghostID, "05", literal)
	w.AwaitSpec(t, goldenID)

	deleted := time.Now()
	r.of("delete", "spec.delete_request", goldenID, "11", literal, func() { w.Source.Delete(t, goldenID) })
	w.AwaitDeleting(t, goldenID)
	if source, ok := w.Source.(*SidecarSource); ok {
		source.awaitPublished(t, goldenID, deleted)
	}
	r.of("spec resync response, deleting", "spec.resync_response", goldenID, "", literal, func() { agent.Resync(t) })
	return r.acts
}

func agentActs(t *testing.T, w *World) []act {
	t.Helper()
	r := &recorder{t: t, w: w, sender: AgentID}
	source := w.Source.(*fleet.Source)
	r.of("spec resync request to all, empty", "spec.resync_request", "", "13", literal, func() { w.Agent.Start(t) })
	source.Start(t)
	source.Put(t, goldenID, goldenCreate)
	w.AwaitSpec(t, goldenID)
	r.of("status", "status.update_request", goldenID, "02", literal, func() { w.Agent.Report(t, goldenID, goldenStatus) })
	w.AwaitStatus(t, goldenID)
	r.of("spec resync request to a source", "spec.resync_request", "", "07", skeleton, func() { w.Agent.Resync(t) })

	source.SetStatus(goldenID, otherStatus)
	r.of("status resync response", "status.resync_response", goldenID, "09", literal, func() { source.Resync(t) })
	w.AwaitStatus(t, goldenID)

	w.Agent.Stop(t)
	r.of("spec resync request to all", "spec.resync_request", "", "04", skeleton, func() { w.Agent.Start(t) })

	source.Put(t, goldenID, goldenUpdate)
	w.AwaitSpec(t, goldenID)
	source.Delete(t, goldenID)
	w.AwaitDeleting(t, goldenID)
	r.of("deleted", "status.update_request", goldenID, "12", deletion, func() { w.Agent.Confirm(t, goldenID) })
	return r.acts
}

// likeCapture holds an act against its golden capture.
func likeCapture(t *testing.T, who string, a act, withHash bool) {
	t.Helper()
	if a.capture == "" {
		return
	}
	got, want := shape(a.packet, a.form), shape(golden.Load(t, a.capture), a.form)
	if !withHash {
		got, want = got.Without("ce-statushash"), want.Without("ce-statushash")
	}
	report(t, who+" and capture "+a.capture, got, want)
}

// likeSDK holds an act of the sidecar against the same act of the SDK.
func likeSDK(t *testing.T, sdk SDK, got, want act) {
	t.Helper()
	f := literal
	if got.form == deletion {
		f = deletion
	}
	gotShape, wantShape := shape(got.packet, f), shape(want.packet, f)
	if sdk.NoStatusHash {
		gotShape, wantShape = gotShape.Without("ce-statushash"), wantShape.Without("ce-statushash")
	}
	report(t, "the sidecar and "+sdk.Name, gotShape, wantShape)
}

func report(t *testing.T, whose string, got, want harness.Shape) {
	t.Helper()
	if diff := got.Diff(want); diff != "" {
		t.Errorf("%s differ (+ the former, - the latter):\n%s", whose, diff)
	}
}

func shape(p harness.Packet, f form) harness.Shape {
	p.Payload = withoutSource(p.Payload)
	s := harness.ShapeOf(p)
	switch f {
	case skeleton:
		return s.WithPayload(harness.Skeleton(p.Payload))
	case deletion:
		return s.WithPayload(deletionForm(p.Payload))
	}
	return s
}

// withoutSource takes the member `source` out of the entries of a spec resync
// request: the sidecar's have it, and the SDK does not look at it
// (docs/protocol.md, Resync).
func withoutSource(payload []byte) []byte {
	var request struct {
		ResourceVersions []map[string]any `json:"resourceVersions"`
	}
	if json.Unmarshal(payload, &request) != nil || request.ResourceVersions == nil {
		return payload
	}
	for _, entry := range request.ResourceVersions {
		if entry["source"] == SourceID {
			delete(entry, "source")
		}
	}
	var whole map[string]any
	if json.Unmarshal(payload, &whole) != nil {
		return payload
	}
	whole["resourceVersions"] = request.ResourceVersions
	data, err := json.Marshal(whole)
	if err != nil {
		return payload
	}
	return data
}

func deletionForm(payload []byte) string {
	if fleet.SaysDeleted(payload) {
		return "with Deleted=True"
	}
	return "without Deleted=True: " + string(payload)
}

func onlyRequestsExpire(t *testing.T, p harness.Packet) {
	t.Helper()
	request := p.Action() == "spec.resync_request" || p.Action() == "status.resync_request"
	if p.Expiring && !request {
		t.Errorf("%s has a message expiry", p.Action())
	}
}

// recentSequence checks that the time in a snowflake id is about now.
func recentSequence(t *testing.T, p harness.Packet) {
	t.Helper()
	const epoch = 1288834974657 // milliseconds
	text := p.Attribute("sequenceid")
	if text == "" {
		return
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Errorf("sequence id: %v", err)
		return
	}
	if at := time.UnixMilli(id>>22 + epoch); time.Since(at).Abs() > 10*time.Minute {
		t.Errorf("the sequence id %s was made at %s", text, at)
	}
}
