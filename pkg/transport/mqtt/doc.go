// Package mqtt is the MQTT 5 driver of the transport contract
// (docs/transports.md, MQTT). A Driver opens one Session after the other with
// the brokers that it was given; paho.golang speaks the protocol below.
//
// Start reading at session.go: a session is one connection. conn.go makes one
// system call of many packets, state.go knows what is in flight, inbox.go and
// replies.go lie between the connection and whoever takes deliveries.
//
// Ordering: deliveries come in the order of the connection, and are
// acknowledged to the broker in that order, whatever the order of the Acks.
// What was not acknowledged when a session ends, the broker delivers again in
// the next one (if it keeps the session).
//
// Blocking: Publish waits for a place in the broker's receive maximum and for
// its acknowledgement; both waits end with the context and with the session.
// Ack never blocks. The broker is told a receive maximum of Options.Buffer, so
// a broker that keeps it never waits for a slow taker, and pings go on. From
// one that does not, 64 MiB more are taken; then the connection is not read.
//
// A publish whose confirmation is lost with the connection is not repeated by
// the driver, though MQTT would allow it: the caller knows what is newest.
package mqtt
