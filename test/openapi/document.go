package openapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/pkg/localapi"
)

// Document is openapi.yaml, made strict.
type Document struct {
	*openapi3.T
	schemas any // components.schemas

	mu       sync.Mutex
	compiled map[*openapi3.SchemaRef]*jsonschema.Schema
}

// Load reads the document, once.
var Load = sync.OnceValues(load)

func load() (*Document, error) {
	var tree map[string]any
	if err := yaml.Unmarshal(localapi.OpenAPI, &tree); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	schemas := seal(tree)
	strict, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("encode openapi.yaml: %w", err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(strict)
	if err != nil {
		return nil, fmt.Errorf("load openapi.yaml: %w", err)
	}
	return &Document{T: doc, schemas: schemas, compiled: map[*openapi3.SchemaRef]*jsonschema.Schema{}}, nil
}

// seal lets no object of components.schemas have fields that it does not name.
// The document itself leaves that open, because answers may grow.
func seal(tree map[string]any) (sealed map[string]any) {
	components, _ := tree["components"].(map[string]any)
	schemas, _ := components["schemas"].(map[string]any)
	for _, schema := range schemas {
		object, _ := schema.(map[string]any)
		if object["type"] == "object" && object["additionalProperties"] == nil {
			object["additionalProperties"] = false
		}
	}
	return schemas
}

// operation finds what the document says of a call. path is nil for a path
// that it does not have, operation for a method that the path has not.
func (d *Document) operation(method, escapedPath string) (path *openapi3.PathItem, operation *openapi3.Operation) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	segments := strings.Split(escapedPath, "/")
	for pattern, item := range d.Paths.Map() {
		if fits(strings.Split(pattern, "/"), segments) {
			return item, item.GetOperation(method)
		}
	}
	return nil, nil
}

func fits(pattern, segments []string) bool {
	if len(pattern) != len(segments) {
		return false
	}
	for i, want := range pattern {
		if want != segments[i] && !strings.HasPrefix(want, "{") {
			return false
		}
	}
	return true
}

// OperationID names the operation of a call; empty if the document has none.
func (d *Document) OperationID(method string, url *url.URL) string {
	if _, operation := d.operation(method, url.EscapedPath()); operation != nil {
		return operation.OperationID
	}
	return ""
}
