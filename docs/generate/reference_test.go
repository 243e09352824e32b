package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/localapi"
)

func TestTheReferenceIsThatOfTheDocument(t *testing.T) {
	want, err := reference(localapi.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../reference.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/reference.md is stale: run make docs")
	}
}

func TestTheReferenceHasEverything(t *testing.T) {
	text, err := reference([]byte(`
info: {description: About.}
tags: [{name: Things}]
paths:
  /things/{id}:
    parameters: [{name: id, in: path, required: true, description: "The a|b.", schema: {type: string}}]
    put:
      tags: [Things]
      summary: Put a thing
      x-role: agent
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}, example: {b: 1, a: [x, null]}}}}
      responses:
        '200': {description: It is there., headers: {ETag: {}}, content: {text/plain: {schema: {type: string}, example: ok}}}
        '400': {$ref: '#/components/responses/Bad'}
        default: {description: Else., content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}, example: {b: 2}}}}
components:
  responses:
    Bad: {description: Mend it., x-cause: It is bad., content: {application/problem+json: {schema: {allOf: [{}, {properties: {code: {const: bad}}}]}, example: {status: 400}}}}
  schemas:
    Thing:
      description: A thing.
      required: [b]
      properties:
        b: {type: integer, minimum: 1, maximum: 9, default: 3, description: How many.}
        a: {type: array, items: {anyOf: [{$ref: '#/components/schemas/Thing'}, {type: 'null'}]}}
        c: {$ref: '#/components/schemas/Colour'}
    Colour: {enum: [red, green], description: Its colour.}
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| [`PUT /things/{id}`](#put-thingsid) | Put a thing | agent |", "Put a thing. Only at an agent; 403 elsewhere.",
		`| ` + "`id`" + ` | path | string | The a\|b. |`, "Body: `application/json`, [Thing](#thing), may be left out.", `{"b":1,"a":["x",null]}`,
		"**200** It is there. Headers: `ETag`.", "[Errors](#errors): 400 `bad`.", "`application/json`, [Thing](#thing).", "| 400 | `bad` | It is bad. | Mend it. |",
		"| `b` * | integer, 1 to 9 | How many. Default `3`. |", "| `a` | list of [Thing](#thing) or null |  |", "| `c` | [Colour](#colour) | Its colour. |",
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
}

func TestHeadingsDiffer(t *testing.T) {
	text, err := reference(localapi.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	var anchors []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		anchors = append(anchors, anchor(m[1]))
	}
	slices.Sort(anchors)
	if n := len(anchors); n < 50 || len(slices.Compact(anchors)) != n {
		t.Errorf("%d headings, some are alike: %v", n, anchors)
	}
}
