package main

import (
	"fmt"
	"strings"
)

// schemaLink is what a reader is told of a schema in one cell: its type.
func schemaLink(s *node) string {
	if name := s.reference(); name != "" {
		return link(name)
	}
	switch {
	case s.at("const").is():
		return "`" + s.at("const").text() + "`"
	case s.at("enum").is():
		return alternatives(s.at("enum").list())
	case s.at("anyOf").is():
		return anyOf(s.at("anyOf").list())
	case s.at("allOf").is():
		return schemaLink(s.at("allOf").list()[0])
	case s.at("type").text() == "array":
		return "list of " + schemaLink(s.at("items"))
	case !s.at("type").is():
		return "any JSON"
	case s.at("properties").is():
		return "object with " + fields(s)
	}
	return plainType(s)
}

func fields(s *node) string {
	var names []string
	s.at("properties").each(func(name string, _ *node) { names = append(names, "`"+name+"`") })
	return strings.Join(names, ", ")
}

func link(name string) string { return fmt.Sprintf("[%s](#%s)", name, strings.ToLower(name)) }

func alternatives(values []*node) string {
	var texts []string
	for _, value := range values {
		texts = append(texts, "`"+value.text()+"`")
	}
	return strings.Join(texts, ", ")
}

func anyOf(schemas []*node) string {
	var texts []string
	for _, s := range schemas {
		texts = append(texts, schemaLink(s))
	}
	return strings.Join(texts, " or ")
}

// plainType is a type with its bounds.
func plainType(s *node) string {
	text := s.at("type").text()
	if types := s.at("type").list(); len(types) > 0 {
		text = types[0].text() + " or null"
	}
	low, high := s.at("minimum"), s.at("maximum")
	switch {
	case low.is() && high.is():
		text += fmt.Sprintf(", %s to %s", low.text(), high.text())
	case low.is():
		text += fmt.Sprintf(", at least %s", low.text())
	}
	return text
}

// withDefault adds the default of a schema to its description.
func withDefault(description string, s *node) string {
	value := s.at("default")
	if !value.is() || value.text() == "" {
		return description
	}
	return strings.TrimSpace(fmt.Sprintf("%s Default `%s`.", description, value.text()))
}

// writeSchema writes a section about a component.
func (p *page) writeSchema(name string, s *node) {
	p.heading(3, name)
	if !s.at("properties").is() {
		p.paragraph(capitalized(schemaLink(s)) + pattern(s) + ". " + s.description())
		return
	}
	p.paragraph(s.description())
	rows := [][]string{}
	s.at("properties").each(func(field string, property *node) {
		rows = append(rows, []string{"`" + field + "`" + mark(s, field), schemaLink(property), withDefault(property.description(), property)})
	})
	p.table([]string{"field", "type", "meaning"}, rows)
}

// mark is a star for a field that is always there.
func mark(s *node, field string) string {
	for _, name := range s.at("required").list() {
		if name.text() == field {
			return " *"
		}
	}
	return ""
}

func pattern(s *node) string {
	if !s.at("pattern").is() {
		return ""
	}
	return ", `" + s.at("pattern").text() + "`"
}

func capitalized(text string) string {
	if text == "" || text[0] == '`' || text[0] == '[' {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
