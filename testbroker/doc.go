// Package testbroker is an MQTT broker inside the process, for tests, for
// `sidecar demo` and for `sidecar broker`. It is mochi with switches that a
// test needs: stop and restart on the same port, drop connections, refuse new
// ones, hold messages back, and look at every publish.
//
// Ordering: what one client publishes reaches each subscriber in that order,
// after a resumed session and after Hold too. To keep this the broker does not
// limit what is in flight to a subscriber: mochi loses count, and order, of
// what a client's receive maximum holds back.
//
// Everything is in memory. Stop forgets it all, as a killed broker without
// persistence does. An unsent backlog of 8,192 messages a subscriber is kept;
// what is beyond is lost, as with other brokers.
package testbroker
