package main

import (
	"fmt"
	"strings"
)

const problemType = "application/problem+json"

const head = `# Reference of the local API

<!-- Written by "make docs" from pkg/localapi/openapi.yaml: change that. -->

Every call, field and error. [api.md](api.md) is the guide: what they are for, with examples that can be typed. The same
is served by each sidecar as OpenAPI 3.1, for generators and tools: ` + "`GET /openapi.yaml`, `GET /openapi.json`" + `.
`

// page is Markdown that grows.
type page struct{ strings.Builder }

// reference is the whole page.
func reference(document []byte) (string, error) {
	doc, err := parse(document)
	if err != nil {
		return "", fmt.Errorf("read openapi.yaml: %w", err)
	}
	p := &page{}
	p.WriteString(head)
	p.writeIndex(doc)
	for _, tag := range doc.at("tags").list() {
		p.heading(2, tag.at("name").text())
		p.paragraph(tag.description())
		for _, o := range append(operations(doc.at("paths"), tag.at("name").text()), operations(doc.at("webhooks"), tag.at("name").text())...) {
			p.writeOperation(o)
		}
	}
	p.writeErrors(doc.at("components", "responses"))
	p.heading(2, "Schemas")
	p.paragraph("A field with * is always there. Other fields are left out where there is nothing to say; unknown ones are to be ignored.")
	doc.at("components", "schemas").each(p.writeSchema)
	return p.String(), nil
}

func (p *page) writeIndex(doc *node) {
	p.heading(2, "Calls")
	p.paragraph(doc.at("info").description())
	var rows [][]string
	for _, tag := range doc.at("tags").list() {
		for _, o := range operations(doc.at("paths"), tag.at("name").text()) {
			rows = append(rows, []string{fmt.Sprintf("[`%s`](#%s)", o.name(), anchor(o.name())), o.node.at("summary").text(), o.node.at("x-role").text()})
		}
	}
	p.table([]string{"call", "does", "only at"}, rows)
}

// anchor is how a link names a heading.
func anchor(heading string) string {
	keep := func(c rune) rune {
		switch {
		case c == ' ':
			return '-'
		case c == '-', c == '_', c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			return c
		}
		return -1
	}
	return strings.Map(keep, strings.ToLower(heading))
}

func (p *page) writeErrors(responses *node) {
	p.heading(2, "Errors")
	p.paragraph("`" + problemType + "`, a " + link("Problem") + ". `code` is for programs, `detail` says what to do, `errors` names the fields at fault.")
	var rows [][]string
	responses.each(func(_ string, response *node) {
		problem := response.at("content", problemType)
		if !problem.is() {
			return
		}
		rows = append(rows, []string{problem.at("example", "status").text(), schemaLink(codeOf(response)), response.at("x-cause").text(), response.description()})
	})
	p.table([]string{"status", "code", "means", "what to do"}, rows)
}

func (p *page) heading(level int, text string) {
	if level == 3 && strings.Contains(text, "/") {
		text = "`" + text + "`"
	}
	fmt.Fprintf(p, "\n%s %s\n", strings.Repeat("#", level), text)
}

func (p *page) paragraph(text string) {
	if text != "" {
		fmt.Fprintf(p, "\n%s\n", text)
	}
}

func (p *page) block(language, text string) {
	if text != "" {
		fmt.Fprintf(p, "\n```%s\n%s\n```\n", language, text)
	}
}

func (p *page) table(head []string, rows [][]string) {
	fmt.Fprintf(p, "\n| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, row := range rows {
		for i := range row {
			row[i] = cell(row[i])
		}
		fmt.Fprintf(p, "| %s |\n", strings.Join(row, " | "))
	}
}

// cell is text on one line without a bar.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}
