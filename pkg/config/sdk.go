package config

import (
	"maps"
	"slices"
)

// sdkKeys are the keys that the SDK reads from its MQTT file, and the broker
// of some published examples, each with the keys of our own file that say the
// same thing in another way.
var sdkKeys = map[string][]string{
	"brokerHost":     {"broker", "brokerHosts"},
	"broker":         {"brokerHost", "brokerHosts"},
	"username":       nil,
	"password":       {"passwordFile"},
	"caFile":         {"caData"},
	"caData":         {"caFile"},
	"clientCertFile": {"clientCertData"},
	"clientCertData": {"clientCertFile"},
	"clientKeyFile":  {"clientKeyData"},
	"clientKeyData":  {"clientKeyFile"},
	"keepAlive":      nil,
	"dialTimeout":    nil,
	"pubQoS":         nil,
	"subQoS":         nil,
	"topics":         nil,
}

// withSDKFile puts the keys of the SDK file that mqtt.configFile names behind
// those of our mqtt section, each with the line that it stands on; what ours
// says already is left out (docs/api.md, Configuration).
func (l *loader) withSDKFile(root *node) {
	section := root.get("mqtt")
	if section == nil || section.value.kind != mapping {
		return
	}
	ours := section.value
	l.checkOnce(ours)
	if !ours.says("configFile") {
		return
	}
	configFile := ours.get("configFile")
	if n := configFile.value; n.bad || n.kind != scalar || !n.isText {
		l.bad["mqtt.brokerHost"] = true // decoding says what is wrong
		return
	}
	theirs := l.readSDKFile(configFile)
	if theirs == nil {
		l.bad["mqtt.brokerHost"] = true // it may well be in there
		return
	}
	section.value = l.behind(ours, theirs)
}

// checkOnce refuses keys of ours that say the same thing twice.
func (l *loader) checkOnce(ours *node) {
	for _, same := range [][]string{{"brokerHost", "broker", "brokerHosts"}, {"password", "passwordFile"}} {
		first := ""
		for _, key := range same {
			switch {
			case !ours.says(key):
			case first == "":
				first = key
			default:
				l.failKey(join("mqtt", key), ours.get(key).at, "stands beside mqtt.%s: remove one of them", first)
			}
		}
	}
}

// readSDKFile is the mapping that the file holds, or nil after a fault.
func (l *loader) readSDKFile(configFile *entry) *node {
	file := configFile.value.text
	data, err := l.read(file)
	if err != nil {
		l.failKey("mqtt.configFile", configFile.at, "%s: %v", file, err)
		return nil
	}
	root := l.parse(file, data, true)
	if root != nil && root.kind != mapping && root.kind != null {
		l.fail(root.at, "must be a mapping of keys, not %s", root.what())
		return nil
	}
	return root
}

// behind is our section with the keys of theirs after it.
func (l *loader) behind(ours, theirs *node) *node {
	merged := *ours
	merged.entries = slices.Clone(ours.entries)
	for _, e := range theirs.entries {
		same, known := sdkKeys[e.key]
		switch {
		case !known:
			l.warnUnknown(e, slices.Sorted(maps.Keys(sdkKeys)))
		case e.value.unset():
		case e.key == "topics":
			e.value = l.topicsBehind(ours.get("topics"), e.value)
			merged.entries = append(merged.entries, e)
		case e.key == "broker" && theirs.says("brokerHost"):
			l.warn(e.at, "broker is left out, as brokerHost says it")
		case !ours.says(e.key) && !slices.ContainsFunc(same, ours.says):
			merged.entries = append(merged.entries, e)
		}
	}
	return &merged
}

// sdkTopics are the keys of the SDK's topics.
var sdkTopics = []string{"agentBroadcast", "agentEvents", "sourceBroadcast", "sourceEvents"}

// topicsBehind are the topics of theirs that ours do not set.
func (l *loader) topicsBehind(ours *entry, theirs *node) *node {
	merged := *theirs
	merged.entries = nil
	for _, e := range theirs.entries {
		switch {
		case !slices.Contains(sdkTopics, e.key):
			l.warnUnknown(e, sdkTopics)
		case ours == nil || !ours.value.says(e.key):
			merged.entries = append(merged.entries, e)
		}
	}
	return &merged
}

func (l *loader) warnUnknown(e entry, known []string) {
	l.warn(e.at, "unknown key %q is left out, as the SDK does%s", e.key, didYouMean(closest(e.key, known)))
}
