package event

import (
	"errors"
	"fmt"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
)

// CloudEvent is the event as it travels. It fills in ID and Time of e when
// they are empty, so that what is logged is what was sent. The attributes are
// those that the OCM SDK sets: clustername and originalsource always, even
// empty; id and version of a resource on events about one. A deleting event
// has no data and no content type.
func (e *Event) CloudEvent() (*cloudevents.Event, error) {
	if e.Type.OfResource() && e.ResourceID == "" {
		return nil, fmt.Errorf("encode event %s: no resource id", e.Type)
	}
	e.stamp()
	ce := cloudevents.New(cloudevents.CloudEventsVersionV1)
	ce.SetID(e.ID)
	ce.SetSource(e.Source)
	ce.SetType(e.Type.String())
	ce.SetTime(e.Time)
	e.setExtensions(&ce)
	if err := errors.Join(e.setData(&ce), ce.Validate()); err != nil {
		return nil, fmt.Errorf("encode event %s of %.253q: %w", e.Type, e.ResourceID, err)
	}
	return &ce, nil
}

// stamp makes ID and Time if they are missing.
func (e *Event) stamp() {
	if e.ID == "" {
		e.ID = uuid.NewString()
	}
	if e.Time.IsZero() {
		e.Time = time.Now().UTC()
	}
}

func (e *Event) setExtensions(ce *cloudevents.Event) {
	ce.SetExtension(extClusterName, e.Cluster)
	ce.SetExtension(extOriginalSource, e.OriginalSource)
	if e.Type.OfResource() {
		ce.SetExtension(extResourceID, e.ResourceID)
		ce.SetExtension(extResourceVersion, versionAttribute(e.ResourceVersion))
	}
	setText(ce, extSequenceID, e.SequenceID)
	setText(ce, extStatusHash, e.StatusHash)
	setText(ce, extMetadata, e.Metadata)
	setText(ce, extLogTracing, e.LogTracing)
	if e.DeletionTimestamp != nil {
		ce.SetExtension(extDeletionTimestamp, *e.DeletionTimestamp)
	}
}

// setText sets an extension that is left out when it is empty.
func setText(ce *cloudevents.Event, name, value string) {
	if value != "" {
		ce.SetExtension(name, value)
	}
}

func (e *Event) setData(ce *cloudevents.Event) error {
	if e.DeletionTimestamp != nil || e.Payload.ContentType == "" {
		return nil
	}
	return ce.SetData(e.Payload.ContentType, e.Payload.Data)
}
