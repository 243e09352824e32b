package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
)

// node is a part of the document, which keeps the order in which it is written.
type node struct {
	root  *node
	value any // yaml.MapSlice, []any or a scalar; nil = not there
}

// parse reads a document.
func parse(text []byte) (*node, error) {
	var tree yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(text, &tree, yaml.UseOrderedMap()); err != nil {
		return nil, err
	}
	root := &node{value: tree}
	root.root = root
	return root, nil
}

func (n *node) is() bool { return n.value != nil }

// each calls visit for the members of an object.
func (n *node) each(visit func(name string, member *node)) {
	members, _ := n.value.(yaml.MapSlice)
	for _, m := range members {
		visit(fmt.Sprint(m.Key), &node{root: n.root, value: m.Value})
	}
}

// list is the items of a list.
func (n *node) list() (items []*node) {
	values, _ := n.value.([]any)
	for _, value := range values {
		items = append(items, &node{root: n.root, value: value})
	}
	return items
}

// at follows member names.
func (n *node) at(names ...string) *node {
	for _, name := range names {
		found := &node{root: n.root}
		n.each(func(member string, value *node) {
			if member == name {
				found = value
			}
		})
		n = found
	}
	return n
}

// text is a scalar as text; "" if there is none.
func (n *node) text() string {
	if n.value == nil {
		return ""
	}
	return strings.TrimSpace(fmt.Sprint(n.value))
}

// reference is what $ref names: the last part, which is the name of a component.
func (n *node) reference() (name string) {
	ref := n.at("$ref").text()
	return ref[strings.LastIndexByte(ref, '/')+1:]
}

// follow is the component that a $ref names, or the node itself.
func (n *node) follow() *node {
	ref, ok := strings.CutPrefix(n.at("$ref").text(), "#/")
	if !ok {
		return n
	}
	return n.root.at(strings.Split(ref, "/")...)
}

// description is the node's own, else that of the component that it names.
func (n *node) description() string {
	if own := n.at("description"); own.is() {
		return own.text()
	}
	return n.follow().at("description").text()
}

// json is the value on one line, in the order in which it is written.
func (n *node) json() string {
	switch value := n.value.(type) {
	case yaml.MapSlice:
		var members []string
		n.each(func(name string, member *node) { members = append(members, quote(name)+":"+member.json()) })
		return "{" + strings.Join(members, ",") + "}"
	case []any:
		var items []string
		for _, item := range n.list() {
			items = append(items, item.json())
		}
		return "[" + strings.Join(items, ",") + "]"
	default:
		return quote(value)
	}
}

func quote(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}
