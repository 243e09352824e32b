// Package harness runs the real parts of an interoperability story: broker
// processes, sidecar processes, a gate in front of each peer that can hold it
// away from the broker, and an observer that sees every packet.
//
// Everything listens on loopback, belongs to one test and ends with it.
// Nothing here sleeps for luck: a wait names its condition and its deadline,
// and a test that runs out of time says what was missing.
//
// The package knows nothing of the OCM SDK and nothing of the sidecar's code:
// it speaks to both through the wire, the command line and the local API only.
package harness
