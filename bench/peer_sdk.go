package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	cetypes "github.com/cloudevents/sdk-go/v2/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubetypes "k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/generic"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/generic/clients"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/generic/options/mqtt"
	mqttv2 "open-cluster-management.io/sdk-go/pkg/cloudevents/generic/options/v2/mqtt"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/generic/types"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/generic/utils"
)

// device is a resource as the SDK wants to see it.
type device struct {
	id       string
	names    names
	version  int64
	sequence int64
	data     json.RawMessage // spec or status
}

// GetUID is the resource id.
func (d *device) GetUID() kubetypes.UID { return kubetypes.UID(d.id) }

// GetResourceVersion is the version in decimal.
func (d *device) GetResourceVersion() string { return strconv.FormatInt(d.version, 10) }

// GetGeneration is the version.
func (d *device) GetGeneration() int64 { return d.version }

// GetDeletionTimestamp is none: nothing is deleted here.
func (d *device) GetDeletionTimestamp() *metav1.Time { return nil }

// nothing lists no resources: no resync is measured here.
type nothing struct{}

// List is empty.
func (nothing) List(context.Context, types.ListOptions) ([]*device, error) { return nil, nil }

var sdkType = types.CloudEventsDataType{Group: "com.example.bench", Version: "v1alpha1", Resource: "devices"}

// codec is what an author of a small controller would write with the SDK's
// builder.
type codec struct{}

// EventDataType is that of devices.
func (codec) EventDataType() types.CloudEventsDataType { return sdkType }

// Encode makes an event of a spec or a status.
func (codec) Encode(sender string, kind types.CloudEventsType, d *device) (*cloudevents.Event, error) {
	builder := types.NewEventBuilder(sender, kind).WithResourceID(d.id).WithResourceVersion(d.version).WithClusterName(d.names.cluster)
	if kind.SubResource == types.SubResourceStatus {
		builder = builder.WithOriginalSource(d.names.source).WithStatusUpdateSequenceID(strconv.FormatInt(d.sequence, 10))
	}
	event := builder.NewEvent()
	err := event.SetData(cloudevents.ApplicationJSON, d.data)
	return &event, err
}

// Decode makes a device of an event, with its data taken apart, as a
// controller needs it.
func (codec) Decode(event *cloudevents.Event) (*device, error) {
	d := &device{}
	var err1, err2 error
	d.id, err1 = cetypes.ToString(event.Extensions()[types.ExtensionResourceID])
	version, err2 := cetypes.ToInteger(event.Extensions()[types.ExtensionResourceVersion])
	d.version = int64(version)
	return d, errors.Join(err1, err2, event.DataAs(&d.data))
}

func statusHash(*device) (string, error) { return "", nil }

// sdkPair is both apps in this process, each with a client of the SDK.
type sdkPair struct {
	names        names
	source       generic.CloudEventsClient[*device]
	agent        generic.CloudEventsClient[*device]
	spec, status chan arrival
	sequence     atomic.Int64
	end          context.CancelFunc
}

// waitingEvents is how many arrivals the apps may be behind.
const waitingEvents = 1 << 16

func init() { // it logs every connection
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
}

func openSDK(ctx context.Context, _ options, b *broker) (pair, error) {
	ctx, end := context.WithCancel(ctx)
	p := &sdkPair{names: newNames(), spec: make(chan arrival, waitingEvents), status: make(chan arrival, waitingEvents), end: end}
	unlimited := utils.EventRateLimit{QPS: 1e6, Burst: 1e6} // the default is 50 a second

	sourceOptions := mqttv2.NewSourceOptions(p.mqttOptions(b, "+"), p.names.source+"-client", p.names.source)
	sourceOptions.EventRateLimit = unlimited
	source, err := clients.NewCloudEventSourceClient(ctx, sourceOptions, nothing{}, statusHash, codec{})
	if err != nil {
		end()
		return nil, err
	}
	agentOptions := mqttv2.NewAgentOptions(p.mqttOptions(b, p.names.cluster), p.names.cluster, p.names.agent)
	agentOptions.EventRateLimit = unlimited
	agent, err := clients.NewCloudEventAgentClient(ctx, agentOptions, nothing{}, statusHash, codec{})
	if err != nil {
		end()
		return nil, err
	}
	source.Subscribe(ctx, handler(p.status))
	agent.Subscribe(ctx, handler(p.spec))
	p.source, p.agent = source, agent
	for name, subscribed := range map[string]<-chan struct{}{"source": source.SubscribedChan(), "agent": agent.SubscribedChan()} {
		select {
		case <-subscribed:
		case <-time.After(10 * time.Second):
			end()
			return nil, fmt.Errorf("the SDK's %s is not subscribed", name)
		}
	}
	return p, nil
}

func handler(into chan<- arrival) func(context.Context, *device) error {
	return func(_ context.Context, d *device) error {
		into <- arrival{id: d.id, version: d.version}
		return nil
	}
}

func (p *sdkPair) mqttOptions(b *broker, cluster string) *mqtt.MQTTOptions {
	return &mqtt.MQTTOptions{
		KeepAlive: 60, PubQoS: 1, SubQoS: 1,
		Topics: types.Topics{
			SourceEvents:    "sources/" + p.names.source + "/clusters/" + cluster + "/sourceevents",
			AgentEvents:     "sources/" + p.names.source + "/clusters/" + cluster + "/agentevents",
			SourceBroadcast: "sources/" + p.names.source + "/sourcebroadcast",
		},
		Dialer: &mqtt.MQTTDialer{BrokerHost: b.addr, Timeout: 5 * time.Second},
	}
}

func (p *sdkPair) put(ctx context.Context, id string, version int64, spec []byte) error {
	kind := types.CloudEventsType{CloudEventsDataType: sdkType, SubResource: types.SubResourceSpec, Action: types.UpdateRequestAction}
	return p.source.Publish(ctx, kind, &device{id: id, names: p.names, version: version, data: spec})
}

func (p *sdkPair) answer(ctx context.Context, a arrival, status []byte) error {
	if status == nil {
		return nil
	}
	kind := types.CloudEventsType{CloudEventsDataType: sdkType, SubResource: types.SubResourceStatus, Action: types.UpdateRequestAction}
	return p.agent.Publish(ctx, kind, &device{id: a.id, names: p.names, version: a.version, sequence: p.sequence.Add(1), data: status})
}

func (p *sdkPair) specs() <-chan arrival    { return p.spec }
func (p *sdkPair) statuses() <-chan arrival { return p.status }
func (p *sdkPair) pids() map[string]int     { return nil }
func (p *sdkPair) close()                   { p.end() }
