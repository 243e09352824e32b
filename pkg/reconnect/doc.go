// Package reconnect keeps a session with a broker alive: it runs one session
// after another, waits between them as a Policy says, and never gives up.
//
// A Session is one function: connect, subscribe, serve until it breaks, return
// why. The loop is the one place where that error ends: it is logged, becomes
// part of the State, and decides on the wait.
//
// Ordering: sessions never overlap, and each change of the State is told
// before the next one happens. Blocking: Run blocks until its context ends;
// all other methods return at once.
package reconnect
