package main

import (
	"fmt"
	"strings"
)

// operation is one call.
type operation struct {
	method, pattern string
	path, node      *node
}

// name is "METHOD pattern"; a call that the sidecar makes has none of its own.
func (o operation) name() string {
	if !strings.HasPrefix(o.pattern, "/") {
		return o.node.at("summary").text()
	}
	return strings.ToUpper(o.method) + " " + o.pattern
}

// operations are those of a tag, in the order of the document.
func operations(paths *node, tag string) (found []operation) {
	paths.each(func(pattern string, path *node) {
		path.each(func(method string, n *node) {
			if tags := n.at("tags").list(); len(tags) > 0 && tags[0].text() == tag {
				found = append(found, operation{method, pattern, path, n})
			}
		})
	})
	return found
}

// writeOperation writes the section of a call.
func (p *page) writeOperation(o operation) {
	p.heading(3, o.name())
	summary := o.node.at("summary").text() + "."
	if o.name()+"." == summary {
		summary = ""
	}
	if role := o.node.at("x-role").text(); role != "" {
		summary += " Only at " + article(role) + "; 403 elsewhere."
	}
	p.paragraph(summary)
	p.paragraph(o.node.description())
	p.writeParameters(append(o.path.at("parameters").list(), o.node.at("parameters").list()...))
	p.writeRequest(o.node.at("requestBody"))
	p.writeAnswers(o.node.at("responses"))
}

func article(role string) string {
	if role == "agent" {
		return "an agent"
	}
	return "a " + role
}

func (p *page) writeParameters(parameters []*node) {
	var rows [][]string
	for _, parameter := range parameters {
		parameter = parameter.follow()
		schema := parameter.at("schema")
		where := parameter.at("in").text()
		if parameter.at("required").text() == "true" && where != "path" {
			where += ", required"
		}
		rows = append(rows, []string{"`" + parameter.at("name").text() + "`", where, schemaLink(schema), withDefault(parameter.description(), schema)})
	}
	if len(rows) > 0 {
		p.table([]string{"parameter", "in", "type", "meaning"}, rows)
	}
}

func (p *page) writeRequest(request *node) {
	request.at("content").each(func(media string, content *node) {
		need := ""
		if request.at("required").text() != "true" {
			need = ", may be left out"
		}
		p.paragraph(fmt.Sprintf("Body: `%s`, %s%s.", media, bodyType(content.at("schema")), need))
		p.writeExamples(content, "json")
	})
}

// writeAnswers writes the answers that are no error with their examples, and
// the errors in one line.
func (p *page) writeAnswers(responses *node) {
	var failures []string
	responses.each(func(status string, response *node) {
		full := response.follow()
		if full.at("content", problemType).is() {
			failures = append(failures, status+" "+schemaLink(codeOf(full)))
			return
		}
		p.paragraph(fmt.Sprintf("**%s** %s%s", status, response.description(), headersOf(full)))
		full.at("content").each(func(media string, content *node) {
			if status == "default" { // the same everywhere: its schema says all
				p.paragraph(fmt.Sprintf("`%s`, %s.", media, bodyType(content.at("schema"))))
				return
			}
			p.paragraph(fmt.Sprintf("`%s`, %s:", media, bodyType(content.at("schema"))))
			p.writeExamples(content, language(media))
		})
	})
	if len(failures) > 0 {
		p.paragraph("[Errors](#errors): " + strings.Join(failures, ", ") + ".")
	}
}

// codeOf is the schema of the codes that an error can have.
func codeOf(response *node) *node {
	all := response.at("content", problemType, "schema", "allOf").list()
	return all[len(all)-1].at("properties", "code")
}

// bodyType is the type of a body; of lines, that of one.
func bodyType(schema *node) string {
	if line := schema.at("contentSchema"); line.is() {
		return "one " + schemaLink(line) + " a line"
	}
	return schemaLink(schema)
}

func language(media string) string {
	if strings.HasSuffix(media, "json") {
		return "json"
	}
	return "text"
}

func headersOf(response *node) string {
	var names []string
	response.at("headers").each(func(name string, _ *node) { names = append(names, "`"+name+"`") })
	if len(names) == 0 {
		return ""
	}
	return " Headers: " + strings.Join(names, ", ") + "."
}

// writeExamples writes them in one block, one a line if they are JSON.
func (p *page) writeExamples(content *node, language string) {
	var texts []string
	add := func(value *node) {
		if text, ok := value.value.(string); ok {
			texts = append(texts, strings.TrimSuffix(text, "\n"))
			return
		}
		texts = append(texts, value.json())
	}
	if example := content.at("example"); example.is() {
		add(example)
	}
	content.at("examples").each(func(_ string, example *node) { add(example.follow().at("value")) })
	p.block(language, strings.Join(texts, "\n"))
}
