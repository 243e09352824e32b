package sdk015

import (
	"context"
	"time"

	"open-cluster-management.io/sdk-go/pkg/cloudevents/generic"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/generic/options"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/generic/options/mqtt"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/generic/types"
	workutils "open-cluster-management.io/sdk-go/pkg/cloudevents/work/utils"

	"github.com/pillion-dev/pillion/test/interop/devices"
	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
)

// connector opens the SDK's generic clients over MQTT.
type connector struct{}

// lister shows a store to the SDK.
type lister struct{ store *fleet.Store }

// List selects by source and cluster.
func (l lister) List(o types.ListOptions) ([]*devices.Object, error) {
	return devices.Objects(l.store.List(o.Source, o.ClusterName)), nil
}

// client is a fleet.Client over either of the SDK's.
type client struct {
	generic.CloudEventsClient[*devices.Object]
}

// Publish sends a spec or a status.
func (c client) Publish(ctx context.Context, sub fleet.SubResource, action fleet.Action, d fleet.Device) error {
	return c.CloudEventsClient.Publish(ctx, devices.EventType(sub, action), &devices.Object{Device: d})
}

// Source opens a source client.
func (connector) Source(ctx context.Context, link fleet.Link, gate *harness.Gate, store *fleet.Store, subscribed func()) (fleet.Client, error) {
	opts := mqtt.NewSourceOptions(devices.MQTTOptions(gate.Addr, link.Layout.ForSource(link.Source)), link.Source+"-client", link.Source)
	opts.EventRateLimit = options.EventRateLimit{QPS: devices.Rate, Burst: devices.Rate}
	c, err := generic.NewCloudEventSourceClient[*devices.Object](ctx, opts, lister{store}, devices.StatusHash, devices.Codec{NoStatusHash: true})
	if err != nil {
		return nil, err
	}
	return open(ctx, c, gate, subscribed, func(_ types.ResourceAction, o *devices.Object) error {
		return store.ApplyStatus(o.Device, workutils.CompareSnowflakeSequenceIDs)
	}), nil
}

// Agent opens an agent client.
func (connector) Agent(ctx context.Context, link fleet.Link, gate *harness.Gate, store *fleet.Store, subscribed func()) (fleet.Client, error) {
	opts := mqtt.NewAgentOptions(devices.MQTTOptions(gate.Addr, link.Layout.ForAgent(link.Source, link.Cluster)), link.Cluster, link.Agent)
	opts.EventRateLimit = options.EventRateLimit{QPS: devices.Rate, Burst: devices.Rate}
	c, err := generic.NewCloudEventAgentClient[*devices.Object](ctx, opts, lister{store}, devices.StatusHash, devices.Codec{NoStatusHash: true})
	if err != nil {
		return nil, err
	}
	return open(ctx, c, gate, subscribed, func(_ types.ResourceAction, o *devices.Object) error {
		store.ApplySpec(o.Device)
		return nil
	}), nil
}

// open subscribes. This version of the SDK tells of a connection only when it
// is the second or a later one, and before it has subscribed: the gate tells
// when the answers to a resync can arrive.
func open(ctx context.Context, c generic.CloudEventsClient[*devices.Object], gate *harness.Gate, subscribed func(), handle generic.ResourceHandler[*devices.Object]) fleet.Client {
	c.Subscribe(ctx, handle)
	go func() {
		for {
			if awaitSubscribed(ctx, gate) {
				subscribed()
			}
			select {
			case <-ctx.Done():
				return
			case <-c.ReconnectedChan():
			}
		}
	}()
	return client{c}
}

// awaitSubscribed gives up after a while, because the connection may have gone
// again: there will be another signal.
func awaitSubscribed(ctx context.Context, gate *harness.Gate) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for !gate.Subscribed() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
	return true
}
