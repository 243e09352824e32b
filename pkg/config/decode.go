package config

import (
	"fmt"
	"strings"
)

// target takes the value of one key.
type target interface {
	decode(d *decoder, path string, e entry)
}

// decoder brings the nodes of the files into a Config. It goes on after a
// fault, so that all of them are told.
type decoder struct {
	*report
	root  section             // the whole schema, to find what a wrong key may have meant
	wrote map[string]position // the keys that were set, by their path
	bad   map[string]bool     // the keys whose fault is already told
}

// failKey reports a fault of the value of a key.
func (d *decoder) failKey(path string, at position, format string, args ...any) {
	d.bad[path] = true
	d.fail(at, "%s: %s", path, fmt.Sprintf(format, args...))
}

// faulty tells whether the fault of a key, or of a section that it belongs to,
// is already told.
func (d *decoder) faulty(path string) bool {
	for ; path != ""; path = parentOf(path) {
		if d.bad[path] {
			return true
		}
	}
	return false
}

// section is a mapping whose keys are known.
type section map[string]target

func (s section) decode(d *decoder, path string, e entry) {
	if e.value.unset() {
		return
	}
	if e.value.kind != mapping {
		if !e.value.bad {
			d.failKey(path, e.at, "must be a mapping of keys, not %s", e.value.what())
		}
		return
	}
	for _, child := range e.value.entries {
		s.decodeKey(d, path, child)
	}
}

func (s section) decodeKey(d *decoder, parent string, e entry) {
	to, known := s[e.key]
	if !known {
		d.fail(e.at, "unknown key %q%s%s", e.key, in(parent), d.meant(s, e.key))
		return
	}
	path := join(parent, e.key)
	if !e.value.unset() {
		d.wrote[path] = e.at
	}
	to.decode(d, path, e)
}

// single is a target of one value, given by the function that takes it. What
// is unset keeps its default.
type single func(n *node) error

func (take single) decode(d *decoder, path string, e entry) {
	switch {
	case e.value.bad:
		d.bad[path] = true
	case e.value.unset():
	case e.value.kind != scalar:
		d.failKey(path, e.at, "must be a single value, not %s", e.value.what())
	default:
		if err := take(e.value); err != nil {
			d.failKey(path, e.at, "%v", err)
		}
	}
}

// set is a target that parses one value into dst.
func set[T any](dst *T, parse func(*node) (T, error)) target {
	return single(func(n *node) error {
		value, err := parse(n)
		if err == nil {
			*dst = value
		}
		return err
	})
}

// several is a target of a list. Its faults have the line of the item.
type several[T any] struct {
	dst   *[]T
	parse func(*node) (T, error)
}

// setList is a target that parses a list into dst, in place of what was there.
func setList[T any](dst *[]T, parse func(*node) (T, error)) target {
	return several[T]{dst, parse}
}

func (s several[T]) decode(d *decoder, path string, e entry) {
	switch {
	case e.value.bad:
		d.bad[path] = true
	case e.value.unset():
	case e.value.kind != list:
		d.failKey(path, e.at, "must be a list, such as [a, b], not %s", e.value.what())
	default:
		*s.dst = s.items(d, path, e.value.items)
	}
}

func (s several[T]) items(d *decoder, path string, items []*node) []T {
	var values []T
	for i, item := range items {
		here := fmt.Sprintf("%s[%d]", path, i)
		if item.unset() {
			d.failKey(here, item.at, "is empty: remove it")
		}
		var value T
		set(&value, s.parse).decode(d, here, entry{at: item.at, value: item})
		d.bad[path] = d.bad[path] || d.bad[here]
		values = append(values, value)
	}
	return values
}

// ifAny is a list that stands for nothing when it is empty.
type ifAny struct{ target }

func (l ifAny) decode(d *decoder, path string, e entry) {
	if !e.value.blank() {
		l.target.decode(d, path, e)
	}
}

// notYet is a target of a key of a later version: it may be there with a value
// that asks for nothing.
type notYet struct{}

func (notYet) decode(d *decoder, path string, e entry) {
	if !e.value.bad && !e.value.harmless(1) {
		d.failKey(path, e.at, "not in this version: remove it")
	}
}

func join(parent, key string) string {
	if parent == "" {
		return key
	}
	return parent + "." + key
}

// parentOf is the path without its last key.
func parentOf(path string) string {
	return path[:max(0, strings.LastIndexByte(path, '.'))]
}

func in(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}
