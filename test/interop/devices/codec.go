package devices

import (
	"encoding/json"
	"fmt"

	"github.com/bwmarrin/snowflake"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	cetypes "github.com/cloudevents/sdk-go/v2/types"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/generic/types"

	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
)

// sequences numbers the statuses, as the SDK's own codecs do: by node 1.
var sequences, _ = snowflake.NewNode(1)

// hashExtension is the attribute statushash, for which older versions of the
// SDK have no name.
const hashExtension = "statushash"

// Codec writes and reads devices. It builds events with the SDK's builder and
// sends what the SDK's own codecs send.
type Codec struct {
	NoStatusHash bool // as v0.15.0
}

// EventDataType is that of devices.
func (Codec) EventDataType() types.CloudEventsDataType {
	return types.CloudEventsDataType{Group: fleet.Group, Version: fleet.Version, Resource: fleet.Plural}
}

// EventType is the type of an event about a device.
func EventType(sub fleet.SubResource, action fleet.Action) types.CloudEventsType {
	return types.CloudEventsType{
		CloudEventsDataType: Codec{}.EventDataType(),
		SubResource:         types.EventSubResource(sub),
		Action:              types.EventAction(action),
	}
}

// Encode writes a spec or a status.
func (c Codec) Encode(sender string, eventType types.CloudEventsType, o *Object) (*cloudevents.Event, error) {
	builder := types.NewEventBuilder(sender, eventType).WithResourceID(o.ID).WithClusterName(o.Cluster)
	if eventType.SubResource == types.SubResourceStatus {
		return c.encodeStatus(builder, o)
	}
	return encodeSpec(builder, o)
}

func (c Codec) encodeStatus(builder *types.EventBuilder, o *Object) (*cloudevents.Event, error) {
	evt := builder.WithResourceVersion(o.StatusVersion).WithOriginalSource(o.Source).
		WithStatusUpdateSequenceID(sequences.Generate().String()).NewEvent()
	if !c.NoStatusHash {
		evt.SetExtension(hashExtension, o.StatusHash())
	}
	return withData(&evt, o.Status)
}

func encodeSpec(builder *types.EventBuilder, o *Object) (*cloudevents.Event, error) {
	builder = builder.WithResourceVersion(o.Version)
	if o.Deleting() {
		evt := builder.WithDeletionTimestamp(o.DeletedAt).NewEvent()
		return &evt, nil
	}
	evt := builder.NewEvent()
	return withData(&evt, o.Spec)
}

func withData(evt *cloudevents.Event, data json.RawMessage) (*cloudevents.Event, error) {
	if data == nil {
		data = json.RawMessage("{}")
	}
	if err := evt.SetData(cloudevents.ApplicationJSON, data); err != nil {
		return nil, fmt.Errorf("encode a device: %w", err)
	}
	return evt, nil
}

// Decode reads a spec, at an agent, or a status, at a source.
func (Codec) Decode(evt *cloudevents.Event) (*Object, error) {
	eventType, err := types.ParseCloudEventsType(evt.Type())
	if err != nil {
		return nil, err
	}
	o, err := decodeIdentity(evt)
	if err != nil {
		return nil, err
	}
	if eventType.SubResource == types.SubResourceStatus {
		return decodeStatus(evt, o)
	}
	return decodeSpec(evt, o)
}

func decodeIdentity(evt *cloudevents.Event) (o *Object, err error) {
	o = &Object{}
	extensions := evt.Extensions()
	if o.ID, err = cetypes.ToString(extensions[types.ExtensionResourceID]); err != nil {
		return nil, fmt.Errorf("resourceid: %w", err)
	}
	if o.Cluster, err = cetypes.ToString(extensions[types.ExtensionClusterName]); err != nil {
		return nil, fmt.Errorf("clustername: %w", err)
	}
	version, err := cetypes.ToInteger(extensions[types.ExtensionResourceVersion])
	if err != nil {
		return nil, fmt.Errorf("resourceversion: %w", err)
	}
	o.Version = int64(version)
	return o, nil
}

func decodeStatus(evt *cloudevents.Event, o *Object) (*Object, error) {
	sequence, err := cetypes.ToString(evt.Extensions()[types.ExtensionStatusUpdateSequenceID])
	if err != nil {
		return nil, fmt.Errorf("sequenceid: %w", err)
	}
	o.SequenceID, o.StatusVersion, o.Status = sequence, o.Version, evt.Data()
	return o, nil
}

func decodeSpec(evt *cloudevents.Event, o *Object) (*Object, error) {
	o.Source = evt.Source()
	if deletion, ok := evt.Extensions()[types.ExtensionDeletionTimestamp]; ok {
		at, err := cetypes.ToTime(deletion)
		if err != nil {
			return nil, fmt.Errorf("deletiontimestamp: %w", err)
		}
		o.DeletedAt = at
		return o, nil
	}
	o.Spec = evt.Data()
	return o, nil
}
