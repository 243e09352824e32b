package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Bounds of attributes, in bytes. Those of names and ids are in pkg/resource.
const (
	maxSenderLength   = 253     // an agent id may be longer than a name
	maxShortLength    = 256     // an event id, a hash, a content type
	maxMetadataLength = 1 << 20 // Kubernetes allows 256 KiB of annotations alone
	maxTracingLength  = 1 << 16
)

// FromCloudEvent reads an event of the protocol. It is lenient where peers
// differ: an integer may be a string and a time its RFC 3339 form, unknown
// extensions are skipped, a missing resourceversion is 0, and data without a
// content type is JSON. Every error is a *DecodeError; the payload itself is
// not looked into and is shared with ce.
func FromCloudEvent(ce *cloudevents.Event) (*Event, error) {
	if ce == nil || ce.Context == nil {
		return nil, &DecodeError{ReasonType, errors.New("there is no event")}
	}
	eventType, err := ParseType(ce.Type())
	if err != nil {
		return nil, &DecodeError{ReasonType, err}
	}
	e := &Event{Type: eventType, ID: ce.ID(), Source: ce.Source(), Time: ce.Time()}
	if err := e.readAttributes(newAttributes(ce)); err != nil {
		return nil, &DecodeError{ReasonAttribute, err}
	}
	if err := e.readData(ce); err != nil {
		return nil, &DecodeError{ReasonPayload, err}
	}
	return e, nil
}

func (e *Event) readAttributes(a *attributes) error {
	e.Cluster = a.checked(extClusterName, resource.MaxNameLength, validateCluster)
	e.OriginalSource = a.checked(extOriginalSource, resource.MaxNameLength, validateSource)
	e.ResourceID = a.checked(extResourceID, resource.MaxIDLength, resource.ValidateID)
	e.ResourceVersion = a.version(extResourceVersion)
	e.SequenceID = a.text(extSequenceID, maxShortLength)
	e.StatusHash = a.text(extStatusHash, maxShortLength)
	e.Metadata = a.checked(extMetadata, maxMetadataLength, validateObject)
	e.LogTracing = a.text(extLogTracing, maxTracingLength)
	e.DeletionTimestamp = a.time(extDeletionTimestamp)
	if a.err != nil {
		return a.err
	}
	return e.checkIdentity()
}

// checkIdentity checks what the sender is and which resource it speaks of.
func (e *Event) checkIdentity() error {
	if err := checkText(e.ID, maxShortLength); err != nil {
		return fmt.Errorf("attribute id: %w", err)
	}
	if err := e.checkSender(); err != nil {
		return fmt.Errorf("attribute source: %w", err)
	}
	if e.Type.OfResource() && e.ResourceID == "" {
		return fmt.Errorf("attribute %s: missing", extResourceID)
	}
	return nil
}

// checkSender: a source id becomes a part of keys, an agent id does not.
func (e *Event) checkSender() error {
	if e.Type.FromSource() {
		return validateSource(e.Source)
	}
	if e.Source == "" {
		return errors.New("missing")
	}
	return checkText(e.Source, maxSenderLength)
}

// readData takes the payload; a deleting event has none, whatever came.
func (e *Event) readData(ce *cloudevents.Event) error {
	data, contentType := ce.Data(), ce.DataContentType()
	if e.DeletionTimestamp != nil || (len(data) == 0 && contentType == "") {
		return nil
	}
	if contentType == "" {
		contentType = resource.JSONContentType
	}
	if err := checkMediaType(contentType); err != nil {
		return fmt.Errorf("content type: %w", err)
	}
	e.Payload = resource.Payload{Data: data, ContentType: contentType}
	return nil
}

func checkMediaType(contentType string) error {
	if err := checkText(contentType, maxShortLength); err != nil {
		return err
	}
	if _, _, err := mime.ParseMediaType(contentType); err != nil {
		return errors.New("not a media type")
	}
	return nil
}

func validateCluster(name string) error { return resource.ValidateName("cluster", name) }

func validateSource(name string) error { return resource.ValidateName("source", name) }

func validateObject(s string) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(s), &object); err != nil || object == nil {
		return errors.New("not a JSON object")
	}
	return nil
}
