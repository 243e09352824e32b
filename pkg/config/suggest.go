package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// meant is the end of a message about an unknown key: which one may have been
// meant, either a similar one here or the same one elsewhere.
func (d *decoder) meant(here section, key string) string {
	if similar := closest(key, slices.Sorted(maps.Keys(here))); similar != "" {
		return didYouMean(similar)
	}
	if places := d.root.places("", key); len(places) == 1 {
		return didYouMean(places[0])
	}
	return ""
}

func didYouMean(key string) string {
	if key == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", key)
}

// places are the paths at which the schema has the key.
func (s section) places(path, key string) []string {
	var found []string
	for name, to := range s {
		if name == key {
			found = append(found, join(path, name))
		}
		if deeper, ok := to.(section); ok {
			found = append(found, deeper.places(join(path, name), key)...)
		}
	}
	return found
}

// closest is the candidate nearest to the word, or "" if none is near: at most
// a third of its letters may differ, and never more than three.
func closest(word string, candidates []string) string {
	const longest = 64 // no key is as long; bounds the work
	if len(word) > longest {
		return ""
	}
	best, limit := "", min(3, len(word)/3)+1
	for _, candidate := range candidates {
		if strings.EqualFold(word, candidate) {
			return candidate
		}
		if d := distance(strings.ToLower(word), strings.ToLower(candidate)); d < limit {
			best, limit = candidate, d
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour to make b of a.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+boolToInt(a[i-1] != b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
