package sdk12

import (
	"context"

	"open-cluster-management.io/sdk-go/pkg/cloudevents/clients/utils"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/generic"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/generic/clients"
	mqttv2 "open-cluster-management.io/sdk-go/pkg/cloudevents/generic/options/v2/mqtt"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/generic/types"
	sdkutils "open-cluster-management.io/sdk-go/pkg/cloudevents/generic/utils"

	"github.com/pillion-dev/pillion/test/interop/devices"
	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
)

// connector opens the SDK's generic clients over its MQTT transport.
type connector struct{}

// lister shows a store to the SDK.
type lister struct{ store *fleet.Store }

// List selects by source and cluster.
func (l lister) List(_ context.Context, o types.ListOptions) ([]*devices.Object, error) {
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
	opts := mqttv2.NewSourceOptions(devices.MQTTOptions(gate.Addr, link.Layout.ForSource(link.Source)), link.Source+"-client", link.Source)
	opts.EventRateLimit = sdkutils.EventRateLimit{QPS: devices.Rate, Burst: devices.Rate}
	c, err := clients.NewCloudEventSourceClient(ctx, opts, lister{store}, devices.StatusHash, devices.Codec{})
	if err != nil {
		return nil, err
	}
	return open(ctx, c, subscribed, func(_ context.Context, o *devices.Object) error {
		return store.ApplyStatus(o.Device, utils.CompareSnowflakeSequenceIDs)
	}), nil
}

// Agent opens an agent client.
func (connector) Agent(ctx context.Context, link fleet.Link, gate *harness.Gate, store *fleet.Store, subscribed func()) (fleet.Client, error) {
	opts := mqttv2.NewAgentOptions(devices.MQTTOptions(gate.Addr, link.Layout.ForAgent(link.Source, link.Cluster)), link.Cluster, link.Agent)
	opts.EventRateLimit = sdkutils.EventRateLimit{QPS: devices.Rate, Burst: devices.Rate}
	c, err := clients.NewCloudEventAgentClient(ctx, opts, lister{store}, devices.StatusHash, devices.Codec{})
	if err != nil {
		return nil, err
	}
	return open(ctx, c, subscribed, func(_ context.Context, o *devices.Object) error {
		store.ApplySpec(o.Device)
		return nil
	}), nil
}

// open subscribes, and passes the SDK's signal on for as long as ctx lasts.
func open(ctx context.Context, c generic.CloudEventsClient[*devices.Object], subscribed func(), handle generic.ResourceHandler[*devices.Object]) fleet.Client {
	c.Subscribe(ctx, handle)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-c.SubscribedChan():
				subscribed()
			}
		}
	}()
	return client{c}
}
