package config

import "slices"

// kind is the shape of a node.
type kind int

const (
	null kind = iota
	scalar
	list
	mapping
)

// node is one value of a YAML file, with the line that it stands on.
type node struct {
	at      position
	kind    kind
	text    string // of a scalar, variables filled in
	written string // of a scalar, before that: what messages may show
	isText  bool   // YAML takes the scalar for text, not for a number or boolean
	quoted  bool   // text that no number may be
	sdk     bool   // from an SDK file, whose reader is less strict
	bad     bool   // its fault is already told
	items   []*node
	entries []entry
}

// entry is one key of a mapping.
type entry struct {
	key   string
	at    position
	value *node
}

// get is the entry of a key, or nil.
func (n *node) get(key string) *entry {
	i := slices.IndexFunc(n.entries, func(e entry) bool { return e.key == key })
	if i < 0 {
		return nil
	}
	return &n.entries[i]
}

// says tells whether the mapping has the key with a value that is not blank.
func (n *node) says(key string) bool {
	e := n.get(key)
	return e != nil && !e.value.blank()
}

// expanded tells whether variables were filled in.
func (n *node) expanded() bool { return n.text != n.written }

// unset tells whether the value leaves the default: nothing, or "".
func (n *node) unset() bool {
	return n.kind == null || n.kind == scalar && n.text == "" && !n.bad
}

// blank tells whether the value is unset or an empty collection.
func (n *node) blank() bool {
	return n.unset() || n.kind != scalar && len(n.items)+len(n.entries) == 0
}

// harmless tells whether a key of a later version may have this value: it asks
// for nothing. levels is how many mappings deep to look.
func (n *node) harmless(levels int) bool {
	if n.blank() || n.kind == scalar && !n.quoted && (n.text == "false" || n.text == "0") {
		return true
	}
	if n.kind != mapping || levels == 0 {
		return false
	}
	return !slices.ContainsFunc(n.entries, func(e entry) bool { return !e.value.harmless(levels - 1) })
}

// what names the shape of the value for messages.
func (n *node) what() string {
	switch n.kind {
	case null:
		return "nothing"
	case list:
		return "a list"
	case mapping:
		return "a mapping of keys"
	default:
		return "a single value"
	}
}
