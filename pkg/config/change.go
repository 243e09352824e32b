package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Immutable is nil, or an error that names every key whose change needs a
// restart (docs/api.md, Configuration, hot reload).
func Immutable(old, new *Config) error {
	var changes []string
	for i, was := range old.fixed() {
		if now := new.fixed()[i]; was.value != now.value {
			changes = append(changes, fmt.Sprintf("%s (%s, not %s)", was.key, was.value, now.value))
		}
	}
	if changes == nil {
		return nil
	}
	return fmt.Errorf("%s: cannot change while the sidecar runs: %s: put it back, or restart the sidecar",
		new.path, strings.Join(changes, ", "))
}

// fixed are the keys that cannot change, with their values as a file has them.
func (c *Config) fixed() []struct{ key, value string } {
	return []struct{ key, value string }{
		{"role", strconv.Quote(string(c.Role))},
		{"id", strconv.Quote(c.ID)},
		{"cluster", strconv.Quote(c.Cluster)},
		{"state.dir", strconv.Quote(c.State.Dir)},
		{"state.sync", strconv.FormatBool(c.State.Sync)},
		{"api.socket", strconv.Quote(c.API.Socket)},
		{"api.socketMode", fmt.Sprintf("\"%04o\"", c.API.SocketMode.Perm())},
		{"log.format", strconv.Quote(c.Log.Format)},
	}
}

// NeedsReconnect tells whether the connection must be made anew: another
// broker, identity, credential, topic, QoS or session setting. Files count by
// what they hold, not by their names; a dial timeout waits for the next dial.
func NeedsReconnect(old, new *Config) bool {
	if old.Role != new.Role || old.ID != new.ID || old.Cluster != new.Cluster || old.Transport != new.Transport {
		return true
	}
	if old.Limits.MaxPacketBytes != new.Limits.MaxPacketBytes { // the broker is told it in CONNECT
		return true
	}
	return !reflect.DeepEqual(old.MQTT.connection(), new.MQTT.connection())
}

// connection is the part of m that a connection is made with.
func (m MQTT) connection() MQTT {
	m.ConfigFile, m.PasswordFile = "", ""
	m.CAFile, m.ClientCertFile, m.ClientKeyFile = "", "", ""
	m.DialTimeout = 0
	return m
}

// sameEffect tells whether nothing differs but remarks.
func sameEffect(old, new *Config) bool {
	a, b := *old, *new
	a.Warnings, b.Warnings = nil, nil
	return reflect.DeepEqual(a, b)
}
