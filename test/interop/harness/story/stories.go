package story

import (
	"testing"

	"github.com/pillion-dev/pillion/test/interop/harness"
)

// asSDK makes the sidecar connect with a clean start, as the SDK does, so that
// what was missed can come by resync only and not from the broker's queue.
var asSDK = Options{SessionExpiry: "0s"}

// Quirks of configurations in the field.
var (
	consumers   = Options{Layout: harness.Layout{Root2: "consumers"}}
	noBroadcast = Options{Layout: harness.Layout{Root2: "clusters", NoAgentBroadcast: true}, SDKFile: true, SessionExpiry: "0s"}
	sdkFile     = Options{SDKFile: true}
)

// telling is a story with what it is told in.
type telling struct {
	name     string
	pairings []Pairing
	options  Options
	story    func(*testing.T, *World)
}

var tellings = []telling{
	{"Lifecycle", All, Options{}, Lifecycle},
	{"OddIDs", All, Options{}, OddIDs},
	{"AgentRestartsEmpty", All, asSDK, AgentRestartsEmpty},
	{"SpecsMissed", All, asSDK, SpecsMissed},
	{"SpecsMissedInPersistentSession", Mixed, Options{}, SpecsMissed},
	{"StatusesMissed", All, asSDK, StatusesMissed},
	{"StatusesMissedInPersistentSession", Mixed, Options{}, StatusesMissed},
	{"DeletedWhileAway", All, asSDK, DeletedWhileAway},
	// The SDK with itself loses these: see the stories.
	{"ConfirmationMissed", Mixed, asSDK, ConfirmationMissed},
	{"ConfirmationMissedInPersistentSession", Mixed, Options{}, ConfirmationMissed},
	{"RestartUnderLoad", Mixed, Options{}, RestartUnderLoad},
	{"AgentIsAhead", []Pairing{OursToSDK}, Options{}, AgentIsAhead},
	{"TwoSources", []Pairing{SDKToOurs}, Options{}, TwoSources},
	{"EqualIsSilent", All, Options{}, EqualIsSilent},
	{"NoDeletionStorm", []Pairing{OursToSDK}, Options{}, NoDeletionStorm},
	{"BrokerRestartSourceFirst", All, Options{}, SourceFirst},
	{"BrokerRestartAgentFirst", All, Options{}, AgentFirst},
	{"ConsumersRoot", All, consumers, Lifecycle},
	{"ConsumersRootResync", All, consumers, AgentRestartsEmpty},
	{"NoAgentBroadcast", All, noBroadcast, Fallback},
	{"SDKFile", Mixed, sdkFile, Lifecycle},
}

// Tell tells every story to a version of the SDK, each in a test of its name,
// as many at a time as go test -parallel says. Some wait most of their time.
func Tell(t *testing.T, sdk SDK) {
	for _, s := range tellings {
		parallel(t, s.name, func(t *testing.T) {
			throughBrokers(t, func(t *testing.T, kind harness.BrokerKind) { tell(t, sdk, kind, s) })
		})
	}
	parallel(t, "SourcePackets", func(t *testing.T) { packets(t, sdk, OursToSDK, sourceActs) })
	parallel(t, "AgentPackets", func(t *testing.T) { packets(t, sdk, SDKToOurs, agentActs) })
}

// tell tells one in every pairing.
func tell(t *testing.T, sdk SDK, kind harness.BrokerKind, s telling) {
	for _, pairing := range s.pairings {
		parallel(t, pairing.Name, func(t *testing.T) {
			s.story(t, NewWorld(t, sdk, kind, pairing, s.options))
		})
	}
}

func throughBrokers(t *testing.T, do func(*testing.T, harness.BrokerKind)) {
	for _, kind := range harness.BrokerKinds {
		parallel(t, string(kind), func(t *testing.T) { do(t, kind) })
	}
}

func parallel(t *testing.T, name string, do func(*testing.T)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		do(t)
	})
}
