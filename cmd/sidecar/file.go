package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// maxFileBytes bounds what is read of a file: more than any broker would take.
const maxFileBytes = 256 << 20

// readFile reads a file, or standard input for "-".
func (a *cli) readFile(name string) ([]byte, error) {
	from := a.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, maxFileBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case len(data) > maxFileBytes:
		return nil, fmt.Errorf("%s has more than %d bytes", name, maxFileBytes)
	}
	return data, nil
}

// readJSON reads a file that holds one JSON or YAML document, as JSON.
func (a *cli) readJSON(name string) (json.RawMessage, error) {
	data, err := a.readFile(name)
	if err != nil {
		return nil, err
	}
	text, err := toJSON(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

// toJSON leaves JSON as it is, numbers too, and converts YAML 1.2 (in which n
// and off are words, not false).
func toJSON(data []byte) (json.RawMessage, error) {
	if json.Valid(data) {
		return bytes.TrimSpace(data), nil
	}
	switch n := documents(data); {
	case n == 0:
		return nil, fmt.Errorf("there is nothing in it")
	case n > 1:
		return nil, fmt.Errorf("there are %d documents in it, not one", n)
	}
	text, err := yaml.YAMLToJSON(data)
	if err != nil {
		return nil, fmt.Errorf("neither JSON nor YAML: %w", err)
	}
	return sorted(text)
}

// sorted writes JSON with sorted keys and its numbers as they are: YAML that
// says the same gives the same bytes.
func sorted(text []byte) (json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// documents counts the YAML documents that hold something: a YAML parser would
// silently read the first one only.
func documents(data []byte) (n int) {
	holds := false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, " \t\r\n")
		if rest, marker := strings.CutPrefix(line, "---"); marker && (rest == "" || rest[0] == ' ') {
			holds, line = false, strings.TrimSpace(rest)
		}
		if line = strings.TrimSpace(line); !holds && line != "" && line[0] != '#' {
			holds = true
			n++
		}
	}
	return n
}

// resourceFields are the fields of a resource as `get -o json` writes them.
var resourceFields = map[string]bool{
	"dataType": true, "cluster": true, "source": true, "id": true, "version": true, "revision": true,
	"spec": true, "specBase64": true, "contentType": true, "metadata": true, "deletionTimestamp": true,
	"status": true, "statusVersion": true, "sequenceID": true, "statusHash": true, "sync": true,
}

// parseResource tells whether a document is a whole resource rather than a
// spec: an object with a spec and nothing that a resource has not. It must then
// fit the key; what is not the caller's to say is left out.
func parseResource(document json.RawMessage, key resource.Key) (req resource.PutRequest, whole bool, err error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(document, &fields) != nil || fields["spec"] == nil && fields["specBase64"] == nil {
		return req, false, nil
	}
	for name := range fields {
		if !resourceFields[name] {
			return req, false, nil
		}
	}
	var res resource.Resource
	if err := json.Unmarshal(document, &res); err != nil {
		return req, true, fmt.Errorf("it looks like a whole resource, but: %w", err)
	}
	if !fits(res.Key, key) {
		return req, true, fmt.Errorf("it is %s, not %s", identity(res.Key), identity(key))
	}
	req = resource.PutRequest{Key: key, Metadata: res.Metadata, Version: res.Version}
	req.Spec = resource.Payload{Data: res.Spec, ContentType: resource.JSONContentType}
	if len(res.SpecBase64) > 0 {
		req.Spec = resource.Payload{Data: res.SpecBase64, ContentType: res.ContentType}
	}
	return req, true, nil
}

// identity is as much of a key as is given, in words.
func identity(key resource.Key) string {
	var said []string
	for _, part := range []struct{ word, name string }{
		{"", string(key.DataType)}, {"", key.ID}, {"on ", key.Cluster}, {"of source ", key.Source},
	} {
		if part.name != "" {
			said = append(said, part.word+part.name)
		}
	}
	return strings.Join(said, " ")
}

// fits tells whether what is given of a key is that of the other.
func fits(given, key resource.Key) bool {
	same := func(x, y string) bool { return x == "" || y == "" || x == y }
	return same(string(given.DataType), string(key.DataType)) && same(given.Cluster, key.Cluster) &&
		same(given.ID, key.ID) && same(given.Source, key.Source)
}
