// Package topics knows the MQTT topics of the protocol: their patterns, what
// each role publishes to and subscribes to, and what of it can be configured
// (docs/protocol.md, Topics).
//
// It is pure: no goroutines, no network. Nothing here blocks, and values are
// safe for concurrent use.
package topics
