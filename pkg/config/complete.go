package config

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/topics"
)

// complete fills in what depends on other keys, and checks what no key can be
// checked for alone.
func (l *loader) complete(c *Config) {
	l.completeIdentity(c)
	l.completeDataTypes(c)
	l.completeBroker(&c.MQTT)
	l.completeTopics(c)
	l.completeLimits(&c.Limits)
	l.completeHandlers(c)
	l.checkOrder(c)
	l.checkSocket(&c.API)
	l.completeListeners(c)
	l.warnOfReaders()
}

// completeIdentity: an agent is of one cluster, a source of none.
func (l *loader) completeIdentity(c *Config) {
	l.require("role", c.Role != "", "is required: source or agent")
	l.require("id", c.ID != "", "is required: the source id or agent id, such as hub1")
	switch {
	case c.Role == resource.Agent:
		l.require("cluster", c.Cluster != "", "is required for an agent: the name of its cluster")
	case c.Role == resource.Source && c.Cluster != "":
		l.warn(l.at("cluster"), "cluster is left out: a source serves every cluster")
		c.Cluster = ""
	}
	c.State.Dir = cmp.Or(c.State.Dir, "/var/lib/sidecar/"+c.ID)
	c.MQTT.ClientID = cmp.Or(c.MQTT.ClientID, c.ID+"-client")
}

// require reports a key that is missing, unless its value has a fault anyway.
func (l *loader) require(path string, there bool, message string) {
	if !there && !l.faulty(path) {
		l.failKey(path, l.at(path), "%s", message)
	}
}

func (l *loader) completeDataTypes(c *Config) {
	l.require("dataTypes", len(c.DataTypes) > 0 || c.Work.Enabled, "is required without work.enabled: the data types of your resources, such as com.example.fleet.v1alpha1.devices")
	seen := map[resource.DataType]bool{}
	for _, dataType := range c.DataTypes {
		if seen[dataType] && !l.bad["dataTypes"] {
			l.failKey("dataTypes", l.at("dataTypes"), "names %s twice", dataType)
		}
		seen[dataType] = true
	}
}

func (l *loader) completeBroker(m *MQTT) {
	given := len(m.Brokers) > 0 || l.bad["mqtt.broker"] || l.bad["mqtt.brokerHosts"]
	l.require("mqtt.brokerHost", given, "is required: host:port, or a URL such as mqtts://broker.example.com")
	l.readCredentials(m)
	l.checkTLS(m)
	if len(m.CAData)+len(m.ClientCertData) > 0 && slices.ContainsFunc(m.Brokers, plainScheme) {
		l.warn(l.at("mqtt"), "with a CA or a client certificate every connection uses TLS: write mqtts:// or wss://")
	}
	if m.PubQoS == 0 {
		l.warn(l.at("mqtt.pubQoS"), "pubQoS 0 is raised to 1: at 0 nobody says what has arrived")
		m.PubQoS = 1
	}
	if m.SubQoS == 0 {
		l.warn(l.at("mqtt.subQoS"), "subQoS 0 is raised to 1: at 0 what arrives while the sidecar is away is lost")
		m.SubQoS = 1
	}
	if m.KeepAlive == 0 {
		l.warn(l.at("mqtt.keepAlive"), "keepAlive 0 is raised to 60: without pings a dead connection goes unnoticed")
		m.KeepAlive = time.Minute
	}
}

// completeTopics: without any, all four are the defaults; with one of them,
// broadcasts are there only if they are written, as the SDK has it.
func (l *loader) completeTopics(c *Config) {
	if l.bad["role"] || l.bad["id"] || l.bad["cluster"] {
		return
	}
	fallback := topics.Defaults(c.Role, c.ID, c.Cluster)
	if c.MQTT.Topics == (topics.Topics{}) {
		c.MQTT.Topics = fallback
	}
	c.MQTT.Topics.SourceEvents = cmp.Or(c.MQTT.Topics.SourceEvents, fallback.SourceEvents)
	c.MQTT.Topics.AgentEvents = cmp.Or(c.MQTT.Topics.AgentEvents, fallback.AgentEvents)
	l.failTopics(c.MQTT.Topics.Validate(c.Role, c.ID, c.Cluster))
}

// failTopics reports each topic at its own line.
func (l *loader) failTopics(err error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return
	}
	for _, err := range joined.Unwrap() {
		var fault *topics.SettingError
		if path := "mqtt.topics"; errors.As(err, &fault) {
			path = join(path, fault.Setting)
			l.failKey(path, l.at(path), "%s: write %s", fault.Problem, fault.Write)
		} else {
			l.failKey(path, l.at(path), "%v", err)
		}
	}
}

// completeLimits: a rate without a burst lets one second's events through at
// once, as a burst of none would let through nothing.
func (l *loader) completeLimits(limits *Limits) {
	if limits.PublishQPS > 0 && limits.PublishBurst == 0 {
		limits.PublishBurst = int(math.Ceil(limits.PublishQPS))
	}
}

// checkSocket: a mode that lets everyone in is no fault where users are named,
// and likely one where they are not.
func (l *loader) checkSocket(api *API) {
	if api.SocketMode&0o002 != 0 && len(api.AllowedUIDs) == 0 {
		l.warn(l.at("api.socketMode"), "every user may use the local API: take away the last digit's rights, or name the users in api.allowedUIDs")
	}
}

// checkOrder: what is a maximum lies above what it is the maximum of.
func (l *loader) checkOrder(c *Config) {
	l.checkMax("queue.retry.max", c.Queue.Retry.Max, "queue.retry.initial", c.Queue.Retry.Initial)
	l.checkMax("reconnect.max", c.Reconnect.Max, "reconnect.initial", c.Reconnect.Initial)
	l.checkMax("reconnect.slowMax", c.Reconnect.SlowMax, "reconnect.max", c.Reconnect.Max)
	l.checkMax("resync.specEveryMax", c.Resync.SpecEveryMax, "resync.specEvery", c.Resync.SpecEvery)
}

func (l *loader) checkMax(maxPath string, high time.Duration, path string, low time.Duration) {
	if high < low && !l.bad[maxPath] && !l.bad[path] {
		l.failKey(maxPath, l.at(maxPath), "is %s, below %s, which is %s: raise it", high, path, low)
	}
}
