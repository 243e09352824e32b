package topics

import "strings"

// Match tells whether an MQTT topic filter takes a topic: "+" is one level,
// "#" at the end is all that follow. The share of a shared subscription is
// skipped. Wildcards at the start do not take topics of the broker's own,
// which begin with "$".
func Match(pattern, topic string) bool {
	filter := strings.Split(withoutShare(pattern), "/")
	levels := strings.Split(topic, "/")
	if strings.HasPrefix(topic, "$") && filter[0] != levels[0] {
		return false
	}
	for i, level := range filter {
		if level == "#" {
			return i == len(filter)-1
		}
		if i >= len(levels) || (level != wildcard && level != levels[i]) {
			return false
		}
	}
	return len(filter) == len(levels)
}

// withoutShare is the filter of a shared subscription, or the filter itself.
func withoutShare(pattern string) string {
	rest, shared := strings.CutPrefix(pattern, "$share/")
	if !shared {
		return pattern
	}
	_, filter, _ := strings.Cut(rest, "/")
	return filter
}
