package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"

	"github.com/getkin/kin-openapi/openapi3"
)

// Exchange is a call and its answer.
type Exchange struct {
	Method      string
	URL         *url.URL
	RequestType string // Content-Type
	Request     []byte
	Status      int
	Header      http.Header
	Answer      []byte

	// Staged means that the backend was made to fail as it never does: the
	// answer need not have a status that the document gives to the call.
	Staged bool
}

// The components for requests that are no call.
const (
	notFound         = "NotFound"
	methodNotAllowed = "MethodNotAllowed"
)

// Check returns what the document does not say of the exchange.
func (d *Document) Check(x Exchange) error {
	if err := d.check(x); err != nil {
		return fmt.Errorf("%s %s: %d: not as in openapi.yaml: %w", x.Method, x.URL.EscapedPath(), x.Status, err)
	}
	return nil
}

func (d *Document) check(x Exchange) error {
	path, operation := d.operation(x.Method, x.URL.EscapedPath())
	switch {
	case x.Staged && x.Status >= 400:
		return d.checkProblem(x)
	case operation != nil && !x.notHere():
		return errors.Join(d.checkRequest(operation, x), d.checkAnswer(operation, x))
	case x.Status == http.StatusMethodNotAllowed && path != nil:
		return d.checkResponse(d.Components.Responses[methodNotAllowed].Value, x)
	case x.Status == http.StatusNotFound:
		return d.checkResponse(d.Components.Responses[notFound].Value, x)
	}
	return d.checkProblem(x) // refused before it was a call
}

// notHere tells whether the listener does not have the call: that for probes has
// few.
func (x Exchange) notHere() bool {
	return x.Status == http.StatusNotFound && bytes.Contains(x.Answer, []byte("there is no such path"))
}

func (d *Document) checkProblem(x Exchange) error {
	if x.Method == http.MethodHead {
		return nil
	}
	return d.checkJSON(d.Components.Schemas["Problem"], x.Answer)
}

// checkRequest wants the body of a call that succeeded to be one that the
// document allows.
func (d *Document) checkRequest(operation *openapi3.Operation, x Exchange) error {
	if x.Status >= 300 || len(x.Request) == 0 {
		return nil
	}
	if operation.RequestBody == nil {
		return nil // a body that nobody reads
	}
	schema := requestSchema(operation.RequestBody.Value.Content, x.RequestType)
	if schema == nil {
		return fmt.Errorf("a request of type %q", x.RequestType)
	}
	lines := schema.Value.ContentSchema
	if lines == nil {
		return d.checkRequestJSON(schema, x.Request)
	}
	for line := range bytes.Lines(x.Request) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if err := d.checkRequestJSON(lines, line); err != nil {
			return err
		}
	}
	return nil
}

// requestSchema is that of the one type that a call takes, if none is given or
// curl's.
func requestSchema(content openapi3.Content, given string) *openapi3.SchemaRef {
	media := content.Get(given)
	if given == "" || given == "application/x-www-form-urlencoded" {
		for _, only := range content {
			media = only
		}
	}
	if media == nil {
		return nil
	}
	return media.Schema
}

func (d *Document) checkRequestJSON(schema *openapi3.SchemaRef, body []byte) error {
	if err := d.checkJSON(schema, withoutEmpty(body)); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	return nil
}

// withoutEmpty leaves out the members that are null or "": that is as good as
// leaving them out of the request.
func withoutEmpty(body []byte) []byte {
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		return body
	}
	for name, value := range object {
		if text := string(value); text == "null" || text == `""` {
			delete(object, name)
		}
	}
	body, _ = json.Marshal(object)
	return body
}

func (d *Document) checkAnswer(operation *openapi3.Operation, x Exchange) error {
	response := operation.Responses.Status(x.Status)
	if response == nil && x.Status >= 400 {
		response = operation.Responses.Default()
	}
	if response == nil {
		return fmt.Errorf("the call has no such answer: %s", x.Answer)
	}
	return d.checkResponse(response.Value, x)
}

func (d *Document) checkResponse(response *openapi3.Response, x Exchange) error {
	if err := d.checkHeaders(response.Headers, x.Header); err != nil {
		return err
	}
	if x.Method == http.MethodHead || len(response.Content) == 0 && len(x.Answer) == 0 {
		return nil
	}
	media, err := mediaOf(response.Content, x.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	switch schema := media.Schema; {
	case schema.Value.ContentSchema != nil:
		return d.checkLines(schema.Value.ContentSchema, x.Answer)
	case schema.Value.Type.Is("string"): // text
		return nil
	default:
		return d.checkJSON(schema, x.Answer)
	}
}

func mediaOf(content openapi3.Content, contentType string) (*openapi3.MediaType, error) {
	name, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, fmt.Errorf("content type %q: %w", contentType, err)
	}
	if content[name] == nil {
		return nil, fmt.Errorf("content type %q", contentType)
	}
	return content[name], nil
}

func (d *Document) checkHeaders(want openapi3.Headers, got http.Header) error {
	for name, header := range want {
		value := got.Get(name)
		if value == "" && header.Value.Required {
			return fmt.Errorf("header %s is missing", name)
		}
		if value == "" || header.Value.Schema.Value.Type.Is("integer") {
			continue
		}
		if err := d.CheckValue(header.Value.Schema, value); err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
	}
	return nil
}

func (d *Document) checkLines(schema *openapi3.SchemaRef, answer []byte) error {
	for line := range bytes.Lines(answer) {
		if err := d.checkJSON(schema, line); err != nil {
			return err
		}
	}
	return nil
}

func (d *Document) checkJSON(schema *openapi3.SchemaRef, text []byte) error {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return fmt.Errorf("%w: %s", err, text)
	}
	if err := d.CheckValue(schema, value); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(text))
	}
	return nil
}
