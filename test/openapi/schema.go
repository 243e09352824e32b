package openapi

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// CheckValue returns what is wrong with a value as encoding/json decodes it. A
// schema is compiled once: the tests have thousands of answers.
func (d *Document) CheckValue(ref *openapi3.SchemaRef, value any) error {
	schema, err := d.schema(ref)
	if err != nil {
		return fmt.Errorf("compile a schema of openapi.yaml: %w", err)
	}
	var fault *jsonschema.ValidationError
	if err := schema.Validate(value); errors.As(err, &fault) {
		return errors.New(fault.Error())
	}
	return nil
}

func (d *Document) schema(ref *openapi3.SchemaRef) (*jsonschema.Schema, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := d.compiled[ref]; known != nil {
		return known, nil
	}
	schema, err := d.compile(ref)
	d.compiled[ref] = schema
	return schema, err
}

// compile makes a schema beside those that it can refer to.
func (d *Document) compile(ref *openapi3.SchemaRef) (*jsonschema.Schema, error) {
	text, err := json.Marshal(ref)
	if err != nil {
		return nil, err
	}
	var schema any
	if err := json.Unmarshal(text, &schema); err != nil {
		return nil, err
	}
	const name = "https://sidecar/openapi.json"
	compiler := jsonschema.NewCompiler() // of draft 2020-12, that of OpenAPI 3.1
	compiler.AssertFormat()
	document := map[string]any{"components": map[string]any{"schemas": d.schemas}, "schema": schema}
	if err := compiler.AddResource(name, document); err != nil {
		return nil, err
	}
	return compiler.Compile(name + "#/schema")
}
