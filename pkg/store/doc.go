// Package store keeps the resources of a sidecar on disk: their payloads, their
// revisions, the history that watchers resume from, and the marks of outbox and
// queues. It is one bbolt file and a small index in memory.
//
// # The one rule
//
// Nothing is told to anyone before it is written down. [Store.Update] answers
// after its changes are on disk; observers, watchers and readers see a change
// only then. So a crash takes nothing back, and there is nothing to reconcile.
//
// # Writing
//
// One committer goroutine runs the functions given to [Store.Update] one after
// the other, in the order in which they came, commits what all that wait have
// staged in one transaction with one sync, merges it into the index, tells the
// observers, and answers. An update sees what updates before it in the same
// commit have staged. One that fails is discarded alone; a commit that fails
// (a full disk) changes nothing and is answered with its error to all in it.
//
// Update blocks until its commit has ended. A function given to the store must
// be quick, must not keep its Tx, and must not call Update, NextSequence, Check
// or Close: they would wait for themselves. UpdateSoon never blocks and may be
// called from anywhere.
//
// # Reading
//
// Meta, Group, Groups, Find, All and Setting read the index and never wait for
// the disk. Get, List and Changes read one transaction each; the index is never
// behind what they have returned. They do not wait for writers, except that a
// read which begins in the instant between the write of a commit and its sync
// waits for the end of that sync.
//
// # Revisions
//
// A new store numbers from the clock in microseconds and counts up by one for
// every visible change, so that it numbers above any earlier one (docs/api.md,
// "A resource"). Revisions and sequence ids never go back: not by a crash, and
// by a power cut of a store without fsync neither, since both are reserved ahead
// on disk.
package store
