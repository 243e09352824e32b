package localapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestTheDescriptionOfTheAPI(t *testing.T) {
	a := serve(t, resource.Source)
	got := a.call("GET", "/openapi.yaml", "").want(200)
	if got.body != string(localapi.OpenAPI) || !strings.HasPrefix(got.body, "openapi: 3.1.") {
		t.Errorf("the answer is not openapi.yaml: %.100s", got.body)
	}
	var converted struct {
		OpenAPI string
		Paths   map[string]any
	}
	a.call("GET", "/openapi.json", "").want(200).decode(&converted)
	if !strings.HasPrefix(converted.OpenAPI, "3.1.") || converted.Paths["/v1/resources"] == nil {
		t.Errorf("as JSON it is version %q with %d paths", converted.OpenAPI, len(converted.Paths))
	}
}

func TestTheDescriptionIsSentOnce(t *testing.T) {
	a := serve(t, resource.Source)
	for _, path := range []string{"/openapi.yaml", "/openapi.json"} {
		tag := a.call("GET", path, "").want(200).header.Get("ETag")
		again := a.call("GET", path, "", "If-None-Match: "+tag).want(304)
		if again.body != "" || again.header.Get("ETag") != tag {
			t.Errorf("%s: 304 with tag %q and %d bytes", path, again.header.Get("ETag"), len(again.body))
		}
		a.call("GET", path, "", `If-None-Match: "0"`).want(200)
	}
}

func TestTheDescriptionsNumbersAreThoseOfTheYAML(t *testing.T) {
	a := serve(t, resource.Source)
	var document struct {
		Components struct{ Schemas map[string]json.RawMessage }
	}
	a.call("GET", "/openapi.json", "").want(200).decode(&document)
	if version := string(document.Components.Schemas["Version"]); !strings.Contains(version, `"maximum":2147483647`) {
		t.Errorf("the schema of versions is %s", version)
	}
}
