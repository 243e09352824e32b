package devices

import (
	"time"

	"open-cluster-management.io/sdk-go/pkg/cloudevents/generic/options/mqtt"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/generic/types"

	"github.com/pillion-dev/pillion/test/interop/harness"
)

// Rate is the limit of events a second for the stories' clients, and their
// burst: out of the way.
const Rate = 1000

// MQTTOptions are the SDK's own defaults with a broker and topics.
func MQTTOptions(broker string, topics harness.Topics) *mqtt.MQTTOptions {
	return &mqtt.MQTTOptions{
		KeepAlive: 60, PubQoS: 1, SubQoS: 1,
		Topics: types.Topics{
			SourceEvents: topics.SourceEvents, AgentEvents: topics.AgentEvents,
			SourceBroadcast: topics.SourceBroadcast, AgentBroadcast: topics.AgentBroadcast,
		},
		Dialer: &mqtt.MQTTDialer{BrokerHost: broker, Timeout: 5 * time.Second},
	}
}
