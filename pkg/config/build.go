package config

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// builder turns the parser's tree into nodes: anchors are resolved, duplicate
// keys found and, outside SDK files, variables filled in. An alias is the very
// node of its anchor, so that aliases of aliases cost nothing.
type builder struct {
	*report
	file    string
	sdk     bool
	anchors map[string]*node
}

func (b *builder) build(from ast.Node) *node {
	switch from := from.(type) {
	case *ast.AnchorNode:
		return b.anchor(from)
	case *ast.AliasNode:
		return b.alias(from)
	case *ast.MappingNode:
		return b.mapping(b.node(from, mapping), from.Values)
	case *ast.MappingValueNode:
		return b.mapping(b.node(from, mapping), []*ast.MappingValueNode{from})
	case *ast.SequenceNode:
		return b.list(from)
	case nil:
		return &node{at: position{file: b.file}, sdk: b.sdk}
	case *ast.NullNode:
		return b.node(from, null)
	default:
		return b.scalar(from)
	}
}

func (b *builder) node(from ast.Node, kind kind) *node {
	return &node{at: b.at(from), kind: kind, sdk: b.sdk}
}

func (b *builder) at(from ast.Node) position {
	if tk := from.GetToken(); tk != nil {
		return position{b.file, tk.Position.Line}
	}
	return position{file: b.file}
}

func (b *builder) bad(from ast.Node, message string) *node {
	b.fail(b.at(from), "%s", message)
	return &node{at: b.at(from), kind: scalar, sdk: b.sdk, bad: true}
}

func (b *builder) anchor(from *ast.AnchorNode) *node {
	value := b.build(from.Value)
	if from.Name != nil && from.Name.GetToken() != nil {
		b.anchors[from.Name.GetToken().Value] = value
	}
	return value
}

func (b *builder) alias(from *ast.AliasNode) *node {
	if from.Value != nil && from.Value.GetToken() != nil {
		if value, ok := b.anchors[from.Value.GetToken().Value]; ok {
			return value
		}
	}
	return b.bad(from, "this alias has no anchor above it: put text that begins with * in quotes")
}

func (b *builder) list(from *ast.SequenceNode) *node {
	n := b.node(from, list)
	for _, value := range from.Values {
		n.items = append(n.items, b.build(value))
	}
	return n
}

func (b *builder) mapping(n *node, values []*ast.MappingValueNode) *node {
	index := map[string]int{}
	var merged []*node
	for _, pair := range values {
		if pair.Key.IsMergeKey() {
			merged = append(merged, b.merged(pair)...)
			continue
		}
		if key, ok := b.key(pair.Key); ok {
			b.add(n, index, entry{key: key, at: b.at(pair.Key), value: b.build(pair.Value)})
		}
	}
	for _, other := range merged {
		for _, e := range other.entries {
			if _, written := index[e.key]; !written {
				index[e.key] = len(n.entries)
				n.entries = append(n.entries, e)
			}
		}
	}
	return n
}

// add appends an entry. A key that is there already is an error in our own
// file; in an SDK file the last one counts, as it does there.
func (b *builder) add(n *node, index map[string]int, e entry) {
	i, twice := index[e.key]
	switch {
	case !twice:
		index[e.key] = len(n.entries)
		n.entries = append(n.entries, e)
	case b.sdk:
		b.warn(e.at, "key %q is written twice: the one on this line counts", e.key)
		n.entries[i] = e
	default:
		b.fail(e.at, "key %q is already on line %d", e.key, n.entries[i].at.line)
	}
}

// merged are the mappings of a merge key: `<<: *one` or `<<: [*one, *two]`.
func (b *builder) merged(pair *ast.MappingValueNode) []*node {
	value := b.build(pair.Value)
	from := []*node{value}
	if value.kind == list {
		from = value.items
	}
	for _, n := range from {
		if n.kind != mapping && !n.bad {
			b.fail(b.at(pair.Key), "<< takes an alias of a mapping, or a list of them")
			return nil
		}
	}
	return from
}

func (b *builder) key(from ast.MapKeyNode) (string, bool) {
	switch key := from.(type) {
	case *ast.StringNode:
		return key.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return key.GetToken().Value, true
	}
	b.fail(b.at(from), "a key must be plain text")
	return "", false
}

// scalar is a single value; a tag on it is refused, because no key needs one.
func (b *builder) scalar(from ast.Node) *node {
	n := b.node(from, scalar)
	switch from := from.(type) {
	case *ast.StringNode:
		n.text, n.isText = from.Value, true
		n.quoted = from.Token.Type == token.SingleQuoteType || from.Token.Type == token.DoubleQuoteType
	case *ast.LiteralNode:
		n.text, n.isText, n.quoted = from.Value.Value, true, true
	case *ast.TagNode:
		return b.bad(from, "tags such as !!str are not used here: put the value in quotes")
	case ast.ScalarNode:
		n.text = strings.TrimSpace(from.GetToken().Value)
	default:
		return b.bad(from, "this is no value that a configuration can have")
	}
	n.written = n.text
	if n.isText && !b.sdk {
		b.expand(n)
	}
	return n
}

// expand fills in the variables of a text; it may then be a number as well.
func (b *builder) expand(n *node) {
	text, err := expand(n.text)
	if err != nil {
		b.fail(n.at, "%v", err)
		n.bad = true
		return
	}
	if text != n.text {
		n.text, n.quoted = text, false
	}
}
