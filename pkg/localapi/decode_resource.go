package localapi

import (
	"bytes"
	"mime"
	"strings"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// outputField tells whether the field is one that answers hold and requests
// may: PUT takes what GET gave, and what is not the caller's to say is ignored
// (docs/api.md, "Local API").
func outputField(name string) bool {
	switch name {
	case "revision", "deletionTimestamp", "status", "statusVersion", "sequenceID", "statusHash", "sync":
		return true
	}
	return false
}

// identity holds the identity in a body, if it is given, against the path.
// A source in the body counts as if it were in the query.
func (f field) identity(key *resource.Key) (known bool, err error) {
	var want string
	switch f.name {
	case "dataType":
		want = string(key.DataType)
	case "cluster":
		want = key.Cluster
	case "id":
		want = key.ID
	case "source":
		if key.Source == "" {
			return true, f.label(&key.Source)
		}
		want = key.Source
	default:
		return false, nil
	}
	given := want
	if err := f.text(&given); err != nil {
		return true, err
	}
	if given != want {
		return true, f.fault("does not fit the path")
	}
	return true, nil
}

// putBody is the body of a PUT of a resource, read field by field.
type putBody struct {
	request     resource.PutRequest
	spec        []byte
	specBase64  []byte
	contentType string
}

// decodePut reads the body of a PUT; key is what the path says.
func decodePut(body []byte, key resource.Key) (resource.PutRequest, error) {
	b := putBody{request: resource.PutRequest{Key: key}}
	if err := decodeObject(body, "", b.take); err != nil {
		return resource.PutRequest{}, err
	}
	payload, err := b.payload()
	b.request.Spec = payload
	return b.request, err
}

func (b *putBody) take(f field) error {
	switch f.name {
	case "spec":
		if !f.isNull() {
			b.spec = compact(f.raw)
		}
		return nil
	case "specBase64":
		return f.bytes(&b.specBase64)
	case "contentType":
		return f.mediaType(&b.contentType)
	case "metadata":
		return f.object((*[]byte)(&b.request.Metadata))
	case "version":
		return f.integer(&b.request.Version, 0, resource.MaxVersion)
	}
	if known, err := f.identity(&b.request.Key); known {
		return err
	}
	if outputField(f.name) {
		return nil
	}
	return f.unknown()
}

// payload is the spec, which must be given in exactly one of two ways.
func (b *putBody) payload() (resource.Payload, error) {
	switch {
	case b.spec != nil && len(b.specBase64) > 0:
		return resource.Payload{}, specFault("give spec or specBase64, not both", "/specBase64")
	case b.spec != nil && b.contentType != "" && b.contentType != resource.JSONContentType:
		return resource.Payload{}, specFault("a spec that is not JSON is given as specBase64 with contentType", "/contentType")
	case b.spec != nil:
		return resource.Payload{Data: b.spec, ContentType: resource.JSONContentType}, nil
	case len(b.specBase64) == 0:
		return resource.Payload{}, specFault("spec is missing: give any JSON value but null, or specBase64 with contentType", "/spec")
	case b.contentType == "":
		return resource.Payload{}, specFault("specBase64 needs contentType", "/contentType")
	case b.contentType == resource.JSONContentType:
		return resource.Payload{}, specFault("a JSON spec is given as spec, not as specBase64", "/specBase64")
	}
	return resource.Payload{Data: b.specBase64, ContentType: b.contentType}, b.checkMedia()
}

// checkMedia refuses what no agent would take: what is called JSON is shown, and
// read, as JSON, and the media type of events says how an event is written.
func (b *putBody) checkMedia() error {
	media, _, _ := mime.ParseMediaType(b.contentType) // was checked before
	switch {
	case strings.HasPrefix(media, "application/cloudevents"):
		return specFault("contentType is that of an event, which a spec cannot have: give another", "/contentType")
	case strings.HasSuffix(media, "+json"):
		if fault := jsonFault(b.specBase64); fault != "" {
			return specFault("specBase64 "+fault+", but contentType says that it is JSON", "/specBase64")
		}
	}
	return nil
}

func specFault(detail, pointer string) error {
	return resource.Errorf(resource.InvalidArgument, "%s", detail).WithField(pointer)
}

// mediaType reads a media type; with application/json parameters are dropped.
func (f field) mediaType(to *string) error {
	if err := f.text(to); err != nil || *to == "" {
		return err
	}
	media, _, err := mime.ParseMediaType(*to)
	if err != nil || len(*to) > 255 || !strings.Contains(media, "/") {
		return f.fault("must be a media type such as application/octet-stream")
	}
	if media == resource.JSONContentType {
		*to = media
	}
	return nil
}

// decodePatch checks the merge patch of a resource in req and leaves nothing in
// it but spec and metadata, the two that can be merged. A version is a floor, as
// that of a PUT.
func decodePatch(req *resource.PatchRequest) error {
	patch := []byte{'{'}
	err := decodeObject(req.Patch, "", func(f field) error {
		switch f.name {
		case "version":
			return f.integer(&req.Version, 0, resource.MaxVersion)
		case "spec", "metadata":
			if f.name == "metadata" && !f.isNull() && !f.isObject() {
				return f.fault("must be a JSON object")
			}
			patch = append(patch, '"')
			patch = append(append(patch, f.name...), '"', ':')
			patch = append(append(patch, compact(f.raw)...), ',')
			return nil
		}
		if known, err := f.identity(&req.Key); known {
			return err
		}
		return f.fault("can not be patched: a merge patch holds spec, metadata and version")
	})
	if err != nil {
		return err
	}
	req.Patch = append(bytes.TrimSuffix(patch, []byte{','}), '}')
	return nil
}

// decodeStatus checks a status, or a merge patch of one: any JSON object.
func decodeStatus(body []byte) ([]byte, error) {
	if start := skip(body, 0, ' '); start == len(body) || body[start] != '{' {
		return nil, resource.Errorf(resource.InvalidArgument, "the body must be the status, a JSON object").WithField("")
	}
	return compact(body), nil
}
