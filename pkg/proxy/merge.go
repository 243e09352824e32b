package proxy

import (
	"bytes"
	"encoding/json"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// merge applies a merge patch (RFC 7386) to a document; no document is as good
// as an empty object. Numbers stay as they are written.
func merge(doc, patch []byte) ([]byte, error) {
	if len(doc) == 0 {
		doc = []byte("{}")
	}
	target, err := decodeValue(doc)
	if err != nil {
		return nil, resource.Errorf(resource.Internal, "merge into what is stored: %w", err)
	}
	changes, err := decodeValue(patch)
	if err != nil {
		return nil, resource.Errorf(resource.InvalidArgument, "the merge patch is not JSON")
	}
	return encodeValue(mergeValue(target, changes))
}

// mergeValue changes target, in place where it is an object.
func mergeValue(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	merged, ok := target.(map[string]any)
	if !ok {
		merged = make(map[string]any, len(changes))
	}
	for name, change := range changes {
		if change == nil {
			delete(merged, name)
		} else {
			merged[name] = mergeValue(merged[name], change)
		}
	}
	return merged
}

func decodeValue(data []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	err = decoder.Decode(&value)
	return value, err
}

// encodeValue leaves <, > and & as they are, which json.Marshal does not.
func encodeValue(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}
