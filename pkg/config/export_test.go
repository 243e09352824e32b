package config

import (
	"slices"
	"time"
)

// SetPoll makes the watcher poll more often than tests have patience for.
func (w *Watcher) SetPoll(every time.Duration) { w.poll = every }

// Keys are the paths of every key that the schema has.
func Keys() []string {
	keys := newLoader("").schema(defaults()).keys("")
	slices.Sort(keys)
	return keys
}

func (s section) keys(path string) []string {
	var keys []string
	for name, to := range s {
		keys = append(keys, join(path, name))
		if deeper, ok := to.(section); ok {
			keys = append(keys, deeper.keys(join(path, name))...)
		}
	}
	return keys
}

// Expand fills in the variables of a text.
var Expand = expand
