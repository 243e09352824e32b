package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Immutable is nil, or an error that names every key whose change needs a
// restart (docs/api.md, Configuration, hot reload).
func Immutable(old, new *Config) error {
	var changes []string
	for _, key := range []struct{ name, old, new string }{
		{"role", string(old.Role), string(new.Role)},
		{"id", old.ID, new.ID},
		{"cluster", old.Cluster, new.Cluster},
		{"state.dir", old.State.Dir, new.State.Dir},
		{"state.sync", fmt.Sprint(old.State.Sync), fmt.Sprint(new.State.Sync)},
		{"api.socket", old.API.Socket, new.API.Socket},
		{"api.socketMode", old.API.SocketMode.String(), new.API.SocketMode.String()},
		{"log.format", old.Log.Format, new.Log.Format},
	} {
		if key.old != key.new {
			changes = append(changes, fmt.Sprintf("%s (%q, not %q)", key.name, key.old, key.new))
		}
	}
	if changes == nil {
		return nil
	}
	return fmt.Errorf("%s: cannot change while the sidecar runs: %s: put it back, or restart the sidecar",
		new.path, strings.Join(changes, ", "))
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
