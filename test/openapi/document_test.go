package openapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/test/openapi"
)

func document(t *testing.T) *openapi.Document {
	t.Helper()
	doc, err := openapi.Load()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// operations calls visit for each operation, as "METHOD pattern".
func operations(doc *openapi.Document, visit func(name string, path *openapi3.PathItem, op *openapi3.Operation)) {
	for _, pattern := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		path := doc.Paths.Value(pattern)
		for method, op := range path.Operations() {
			visit(method+" "+pattern, path, op)
		}
	}
}

// isKubernetes tells whether a call is one of the Kubernetes API.
func isKubernetes(op *openapi3.Operation) bool { return op.Tags[0] == "ManifestWorks" }

func TestTheDocumentAndItsExamplesAreValid(t *testing.T) {
	doc := document(t)
	if !doc.IsOpenAPI31OrLater() {
		t.Fatalf("the document is of version %s", doc.OpenAPI)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Error(err)
	}
	wrong := map[string]any{"dataType": "x", "colour": "red"}
	if doc.CheckValue(doc.Components.Schemas["Resource"], wrong) == nil {
		t.Error("a wrong resource is taken for a valid one")
	}
}

func TestTheDocumentHasTheRoutesOfTheServer(t *testing.T) {
	described := map[string][]string{}
	operations(document(t), func(name string, path *openapi3.PathItem, op *openapi3.Operation) {
		if isKubernetes(op) {
			return // those of another server
		}
		described[name] = []string{}
		for _, p := range slices.Concat(path.Parameters, op.Parameters) {
			if p.Value.In == openapi3.ParameterInQuery {
				described[name] = append(described[name], p.Value.Name)
			}
		}
	})
	routes := localapi.New(localapi.Options{Backend: apitest.New(resource.Source)}).Routes()
	for _, route := range routes {
		parameters, ok := described[route.String()]
		if !ok {
			t.Errorf("openapi.yaml lacks %s", route.String())
			continue
		}
		delete(described, route.String())
		slices.Sort(parameters)
		if want := slices.Sorted(slices.Values(route.Query)); !slices.Equal(parameters, want) {
			t.Errorf("%s: openapi.yaml has the parameters %v, the server takes %v", route.String(), parameters, want)
		}
	}
	for name := range described {
		t.Errorf("openapi.yaml has %s, the server has not", name)
	}
}

func TestPathParametersAreThoseOfThePattern(t *testing.T) {
	operations(document(t), func(name string, path *openapi3.PathItem, op *openapi3.Operation) {
		for _, p := range slices.Concat(path.Parameters, op.Parameters) {
			if inPath := strings.Contains(name, "{"+p.Value.Name+"}"); p.Value.In == openapi3.ParameterInPath && !inPath {
				t.Errorf("%s has no {%s}", name, p.Value.Name)
			}
		}
		if missing := strings.Count(name, "{") - len(inPath(path, op)); missing != 0 {
			t.Errorf("%s: %d path parameters are not described", name, missing)
		}
	})
}

func inPath(path *openapi3.PathItem, op *openapi3.Operation) openapi3.Parameters {
	return slices.DeleteFunc(slices.Concat(path.Parameters, op.Parameters), func(p *openapi3.ParameterRef) bool {
		return p.Value.In != openapi3.ParameterInPath
	})
}

func TestTheDocumentHasEveryCodeOfErrors(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("..", "..", "pkg", "resource", "error.go"))
	if err != nil {
		t.Fatal(err)
	}
	var codes, listed []string
	for _, m := range regexp.MustCompile(`(?m)^\t[A-Za-z]+ +Code = "([a-z_]+)"`).FindAllStringSubmatch(string(source), -1) {
		codes = append(codes, m[1])
	}
	for _, code := range document(t).Components.Schemas["Code"].Value.Enum {
		listed = append(listed, fmt.Sprint(code))
	}
	slices.Sort(codes)
	slices.Sort(listed)
	if len(codes) < 15 || !slices.Equal(codes, listed) {
		t.Errorf("the document has the codes %v, the API %v", listed, codes)
	}
}

func TestEverythingIsDescribedWithAnExample(t *testing.T) {
	doc := document(t)
	ids := map[string]string{}
	operations(doc, func(name string, _ *openapi3.PathItem, op *openapi3.Operation) {
		if op.Summary == "" || op.OperationID == "" || ids[op.OperationID] != "" || len(op.Tags) != 1 {
			t.Errorf("%s: summary %q, operationId %q, tags %v", name, op.Summary, op.OperationID, op.Tags)
		}
		ids[op.OperationID] = name
		for _, p := range op.Parameters {
			if p.Value.Description == "" {
				t.Errorf("%s: parameter %s has no description", name, p.Value.Name)
			}
		}
		if op.RequestBody != nil {
			wantExamples(t, name, op.RequestBody.Value.Content)
		}
		for status, response := range op.Responses.Map() {
			if response.Value.Description == nil || *response.Value.Description == "" {
				t.Errorf("%s: %s has no description", name, status)
			}
			wantExamples(t, name+" "+status, response.Value.Content)
		}
	})
}

func wantExamples(t *testing.T, where string, content openapi3.Content) {
	t.Helper()
	for media, m := range content {
		if m.Example == nil && len(m.Examples) == 0 {
			t.Errorf("%s: %s has no example", where, media)
		}
	}
}

// The lines of an example are text to a validator.
func TestTheLinesOfExamplesAreValid(t *testing.T) {
	doc, lines := document(t), 0
	operations(doc, func(name string, _ *openapi3.PathItem, op *openapi3.Operation) {
		for status, response := range op.Responses.Map() {
			media := response.Value.Content["application/x-ndjson"]
			if media == nil {
				continue
			}
			for _, example := range media.Examples {
				for line := range bytes.Lines([]byte(example.Value.Value.(string))) {
					lines++
					var value any
					if err := json.Unmarshal(line, &value); err != nil {
						t.Errorf("%s %s: %v", name, status, err)
					}
					if err := doc.CheckValue(media.Schema.Value.ContentSchema, value); err != nil {
						t.Errorf("%s %s: %v", name, status, err)
					}
				}
			}
		}
	})
	if lines == 0 {
		t.Error("there are no lines in examples")
	}
}
