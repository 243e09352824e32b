// Package resync decides what to ask the other side again, when, and what to
// answer when it asks (docs/protocol.md, Resync). It is pure: it is told the
// state and the time, touches no clock, and starts no goroutine, so nothing
// in it blocks.
//
// Answers and requests are made in one pass over maps, in time proportional to
// what is asked and held, and keep the order of what they are given. Functions
// are safe for concurrent use; a Schedule belongs to one goroutine.
package resync
